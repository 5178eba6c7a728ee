import { expect, test } from 'vitest'
import { asJson } from '../../src/cli/record/print.js'
import { quote } from '../../src/policy/nearest.js'
import { bytePath, showPath } from '../../src/policy/request.js'

/** It reads as `secrets/.txt` in a terminal, and moves the cursor. */
const NAME = 'txt.\u202e/sterces\u2069\u009b1A\x1b[2J\u2028é'

test('a path shows what a terminal would act on', () => {
  expect(showPath(bytePath(`/${NAME}`))).toBe('/txt.\\u202e/sterces\\u2069\\x9b1A\\x1b[2J\\u2028é')
})

test('a line to paste, and a manifest that is written, show it and mean the same', () => {
  expect(quote(NAME)).toBe("'txt.\\u202e/sterces\\u2069\\u009b1A\\u001b[2J\\u2028é'")
  const text = asJson({ manifest: { read: [NAME] } })
  expect(text).toContain('"txt.\\u202e/sterces\\u2069\\u009b1A\\u001b[2J\\u2028é"')
  expect(JSON.parse(text)).toEqual({ manifest: { read: [NAME] } })
})
