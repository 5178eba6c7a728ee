/** Errors as answers to a worker. */

/**
 * An error that a message can carry, as Vitest makes one of what plugins throw:
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

/** How JSON.parse says what a file begins with, which may be one that the worker may not read. */
const QUOTED =
  /(?:Unexpected \w+(?: [^\n]{1,12})?, )?"(?:[^"\\]|\\.|"(?!\.\.\.| is not valid JSON))*"(?:\.\.\.)? is not valid JSON/g
const CHARACTER = /Unexpected token [^\n]{1,12} in JSON at position/g

function withoutJson(text: string): string {
  return text.replace(QUOTED, 'it is not valid JSON').replace(CHARACTER, 'Unexpected token in JSON at position')
}

/** Vitest's error as a worker may hear it. An object is changed in place: it is about to be sent. */
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

/** As the test sees it. No frames: they would be this process's. */
export function errorWithoutStack(text: string): Error {
  const error = new Error(text)
  error.stack = `Error: ${text}`
  return error
}
