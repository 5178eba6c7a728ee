/** Errors on their way to a worker, without the texts of files that they quote. */
import { expect, test } from 'vitest'
import { sendable, withoutQuotes } from '../../../src/vitest/gate/replies.js'

test.each([
  [`Unexpected token 's', "secret" is not valid JSON`, 'it is not valid JSON'],
  [`Failed to load tsconfig '../a.json': invalid type: string "secret"`, `Failed to load tsconfig '../a.json'`],
  [`Failed to load tsconfig 'secret': Tsconfig not found `, 'Failed to load tsconfig'],
  [
    `invalid type: string "secret, expected \\" x", expected a map at line 1 column 2`,
    'invalid type, expected a map at line 1 column 2',
  ],
  ['unknown variant `secret`, expected `a`', 'unknown variant, expected `a`'],
  [
    `Invalid "exports" target "secret" defined for './secret' in the package config /a/package.json`,
    'Invalid "exports" target in the package config /a/package.json',
  ],
  [
    'Invalid module "secret" specifier is not a valid subpath for the "exports" resolution of /a',
    'Invalid module specifier: it is no valid subpath for the "exports" resolution of /a',
  ],
  [
    'Expecting folder to folder mapping. "secret" should end with "/"',
    'Expecting folder to folder mapping. It should end with "/"',
  ],
  [
    'JSONError { path: "/a/package.json", message: "secret at line 1", line: 1, column: 1 }',
    'JSONError { path: "/a/package.json" }',
  ],
  [`Failed to resolve import "./a" from "b.js". Does the file exist?`, undefined],
])('%s', (text, expected = text) => {
  const message = `Error:\n\n${text}\n\n`
  const told = `Error:\n\n${expected}\n\n`
  const own = new Error(message)
  expect(sendable(own)).toMatchObject({ message: told, stack: expect.not.stringContaining('secret') })
  expect(sendable(Object.assign(new Error(message), { frame: message }))).toMatchObject({
    __vitest_rollup_error__: { frame: told },
  })
  expect(withoutQuotes(new Error('x', { cause: own }))).toMatchObject({ cause: { message: told } })
})
