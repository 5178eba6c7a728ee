/** Errors as answers to a worker. */

/**
 * An error that a message can carry, as Vitest makes one of what plugins throw:
 * packages/vitest/src/node/environments/fetchModule.ts.
 */
export function sendable(error: unknown): unknown {
  if (!(error instanceof Error)) return new Error(String(error))
  const { name, message } = error
  const stack = error.stack
    ?.split('\n')
    .filter((line) => !line.includes('/vitest/gate/'))
    .join('\n')
  const [plugin, id, frame] = ['plugin', 'id', 'frame'].map((key) =>
    key in error ? String(Reflect.get(error, key)) : undefined,
  )
  if (plugin === undefined && id === undefined && frame === undefined)
    return Object.assign(new Error(message), { name, stack })
  return { name, message, stack, __vitest_rollup_error__: { plugin, id, frame } }
}

/** As the test sees it. No frames: they would be this process's. */
export function errorWithoutStack(text: string): Error {
  const error = new Error(text)
  error.stack = `Error: ${text}`
  return error
}
