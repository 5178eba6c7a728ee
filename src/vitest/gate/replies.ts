/** Makes errors safe as answers to a worker. */

/**
 * An error that a message can carry, made in the way in which Vitest treats errors of plugins:
 * packages/vitest/src/node/environments/fetchModule.ts.
 */
export function sendable(error: unknown): unknown {
  if (!(error instanceof Error)) return new Error(withoutTexts(String(error)))
  const { name } = error
  const message = withoutTexts(error.message)
  const stack = withoutTexts(error.stack ?? '')
    .split('\n')
    .filter((line) => !line.includes('/vitest/gate/'))
    .join('\n')
  const [plugin, id, frame] = ['plugin', 'id', 'frame'].map((key) =>
    key in error ? withoutTexts(String(Reflect.get(error, key))) : undefined,
  )
  if (plugin === undefined && id === undefined && frame === undefined)
    return Object.assign(new Error(message), { name, stack })
  return { name, message, stack, __vitest_rollup_error__: { plugin, id, frame } }
}

/**
 * The messages that quote a file: those of JSON.parse quote its beginning, those of Vite's bundler a value. The worker
 * may not be allowed to read that file.
 */
const QUOTES: readonly (readonly [RegExp, string])[] = [
  [
    /(?:Unexpected \w+(?: [^\n]{1,12})?, )?"(?:[^"\\]|\\.|"(?!\.\.\.| is not valid JSON))*"(?:\.\.\.)? is not valid JSON/g,
    'it is not valid JSON',
  ],
  [/Unexpected token [^\n]{1,12} in JSON at position/g, 'Unexpected token in JSON at position'],
  [/(Failed to load tsconfig(?: '[^'\n]*\.json')?(?=[ :]|$))[^\n]*/gm, '$1'],
  [/(JSONError \{ path: "(?:[^"\\\n]|\\.)*")[^\n]*/g, '$1 }'],
  [/\binvalid (type|value|length): [^\n]*, expected /g, 'invalid $1, expected '],
  [/\b(unknown|duplicate|missing) (field|variant) `[^]*?`/g, '$1 $2'],
  [/Invalid "exports" target "[^]*?" defined for '[^]*?' in the/g, 'Invalid "exports" target in the'],
  [/Invalid module "[^]*?" specifier is not a valid subpath/g, 'Invalid module specifier: it is no valid subpath'],
  [/(Expecting folder to folder mapping\. )"[^]*?" should end/g, '$1It should end'],
]

function withoutTexts(text: string): string {
  return QUOTES.reduce((left, [quote, instead]) => left.replace(quote, instead), text)
}

/** Vitest's error without such quotes. An object is changed in place, because it is about to be sent. */
export function withoutQuotes(error: unknown): unknown {
  for (let at: unknown = error, depth = 0; at instanceof Object && depth < 10; depth++) {
    for (const key of ['message', 'stack']) {
      const text: unknown = Reflect.get(at, key)
      if (typeof text === 'string') Reflect.set(at, key, withoutTexts(text))
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
