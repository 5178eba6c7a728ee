import { describe, expect, test } from 'vitest'
import { answer } from '../../src/cli/explain/answer.js'
import { describeBase } from '../../src/cli/explain/base.js'
import { asJson, asTypeScript } from '../../src/cli/record/print.js'
import { ManifestError } from '../../src/errors.js'
import { bindOptions } from '../../src/policy/bind.js'
import { quote } from '../../src/policy/nearest.js'
import { bytePath, showPath } from '../../src/policy/request.js'
import { parseOptions, withManifestFile } from '../../src/policy/schema.js'
import { lookup } from '../../src/project/lookup.js'

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

describe('what a manifest says', () => {
  // A bracket would begin a glob.
  const EVIL = `${NAME.replace('[2J', 'c')}\nallowed`
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  const obeyed = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|^allowed/m
  const places = { root: '/p', workspace: '/p', home: '/home/me' }
  const manifest = {
    read: [{ entry: `${EVIL}/`, why: EVIL }, `!${EVIL}/x`],
    deny: [{ entry: 'denied', why: EVIL }],
    resources: { db: { read: EVIL } },
  }
  const options = parseOptions({ manifest, files: { [EVIL]: { read: [`more${EVIL}/`] } } })
  const bound = bindOptions({ ...options, files: [] }, { ...places, lookup, searchPath: [], file: '/p' })
  const policy = { mode: 'enforce' as const, ...bound }

  test.each([`/p/${EVIL}/a`, `/p/${EVIL}/x`, '/p/denied', `/p/more${EVIL}/a`])('explain shows it: %j', (path) => {
    const asked = bytePath(path)
    const other = bindOptions(
      { ...options, manifest: parseOptions({}).manifest },
      { ...places, lookup, searchPath: [] },
    )
    const { text } = answer(
      { kind: 'path', asked, directory: false, request: { kind: 'path', access: 'read', path: asked } },
      { policy, others: [{ glob: EVIL, policy: { mode: 'enforce', ...other } }], suggest: places },
    )
    expect(text).not.toMatch(obeyed)
  })

  test('what is granted always, and a config to paste, show it', () => {
    const always = { ...policy, lists: policy.lists.map((list) => list.map((rule) => ({ ...rule, reason: 'r' }))) }
    expect(describeBase(always)).not.toMatch(obeyed)
    expect(asTypeScript({ manifest })).not.toMatch(obeyed)
  })

  test.each([
    { manifest: { read: [`~/${EVIL}`] } },
    { manifest: { connect: [`unix:~/${EVIL}`] } },
    { manifest: { [EVIL]: [] } },
    { files: { [EVIL]: { read: [1] } } },
    { files: { [`./${EVIL}`]: {} } },
  ])('its mistakes show it: %j', (file) => {
    expect(() => withManifestFile(parseOptions({}), 'm', JSON.stringify(file))).toThrow(ManifestError)
    try {
      withManifestFile(parseOptions({}), 'm', JSON.stringify(file))
    } catch (error) {
      expect(String(error)).not.toMatch(obeyed)
    }
  })
})
