import { expect, test } from 'vitest'
import { pathToSystem, systemPath } from '../../src/broker/system-path.js'

test.each([
  ['/usr/bin:/bin', '/usr/bin:/bin'],
  ['/p/node_modules/.bin:/node_modules/.bin:/usr/bin', '/usr/bin'],
  ['/usr/lib/node_modules/npm/node_modules/@npmcli/run-script/lib/node-gyp-bin:/bin', '/bin'],
  [':.:bin:node_modules/.bin:/home/me/bin', '/home/me/bin'],
  ['/my_node_modules/bin', '/my_node_modules/bin'],
  ['', ''],
])('of %s, %s is left', (path, left) => {
  expect(systemPath(path)).toBe(left)
})

test("the system's own programs are looked for where they usually are, before any directory of the project", () => {
  expect(pathToSystem('/p/bin:node_modules/.bin:/usr/bin')).toBe('/usr/bin:/bin:/p/bin:/usr/bin')
  expect(pathToSystem('')).toBe('/usr/bin:/bin')
})
