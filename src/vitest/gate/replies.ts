/** Makes errors safe as answers to a worker. */

/**
 * An error that a message can carry, made in the way in which Vitest treats errors of plugins:
 * packages/vitest/src/node/environments/fetchModule.ts.
 */
export function sendable(error: unknown): unknown {
  if (!(error instanceof Error)) return new Error(withoutJson(String(error)))
  const { name } = error
  const message = withoutJson(error.message)
  const stack = withoutJson(error.stack ?? '')
    .split('\n')
    .filter((line) => !line.includes('/vitest/gate/'))
    .join('\n')
  const [plugin, id, frame] = ['plugin', 'id', 'frame'].map((key) =>
    key in error ? String(Reflect.get(error, key)) : undefined,
  )
  if (plugin === undefined && id === undefined && frame === undefined)
    return Object.assign(new Error(message), { name, stack })
  return { name, message, stack, __vitest_rollup_error__: { plugin, id, frame } }
}

/** The messages of JSON.parse that quote the beginning of a file. The worker may not be allowed to read that file. */
const QUOTED =
  /(?:Unexpected \w+(?: [^\n]{1,12})?, )?"(?:[^"\\]|\\.|"(?!\.\.\.| is not valid JSON))*"(?:\.\.\.)? is not valid JSON/g
const CHARACTER = /Unexpected token [^\n]{1,12} in JSON at position/g

function withoutJson(text: string): string {
  return text.replace(QUOTED, 'it is not valid JSON').replace(CHARACTER, 'Unexpected token in JSON at position')
}

/** Vitest's error without such quotes. An object is changed in place, because it is about to be sent. */
export function withoutQuotes(error: unknown): unknown {
  for (let at: unknown = error, depth = 0; at instanceof Object && depth < 10; depth++) {
    for (const key of ['message', 'stack']) {
      const text: unknown = Reflect.get(at, key)
      if (typeof text === 'string') Reflect.set(at, key, withoutJson(text))
    }
    at = Reflect.get(at, 'cause')
  }
  return error
}

/** The error as the test sees it, without frames, which would be those of this process. */
export function errorWithoutStack(text: string): Error {
  const error = new Error(text)
  error.stack = `Error: ${text}`
  return error
}
