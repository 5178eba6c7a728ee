import { expect, test } from 'vitest'
import { systemPath } from '../../src/broker/system-path.js'

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
