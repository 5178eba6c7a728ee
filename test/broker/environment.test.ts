import { expect, test } from 'vitest'
import { bornWith, libraryDirs, setLater, tmpVariables } from '../../src/broker/environment.js'

test.each([
  ['/opt/lib:', '/opt/lib'],
  [':/opt/lib', '/opt/lib'],
  ['/a::b;;/c', '/a:b:/c'],
  [':', ''],
])('of LD_LIBRARY_PATH=%s a process is born with %s', (given, born) => {
  const env = { LD_LIBRARY_PATH: given, OTHER: ':' }
  expect(bornWith(env)).toEqual({ LD_LIBRARY_PATH: born, OTHER: ':' })
  expect(setLater(env)).toEqual({ LD_LIBRARY_PATH: given })
})

test.each([{}, { LD_LIBRARY_PATH: '' }, { LD_LIBRARY_PATH: '/opt/lib:lib', PATH: ':' }])('%j stays', (env) => {
  expect(bornWith(env)).toEqual(env)
  expect(setLater(env)).toEqual({})
})

test('no process is born with a compile cache, and has the variable later', () => {
  const env = { NODE_COMPILE_CACHE: '/home/me/.cache/node', HOME: '/home/me' }
  expect(bornWith(env)).toEqual({ HOME: '/home/me' })
  expect(setLater(env)).toEqual({ NODE_COMPILE_CACHE: '/home/me/.cache/node' })
})

test('the directories of LD_LIBRARY_PATH', () => {
  expect(libraryDirs('/a::b;$ORIGIN/c:')).toEqual(['/a', 'b', '$ORIGIN/c'])
})

test('the temporary directory takes the place of what is set, and is added as TMPDIR alone', () => {
  expect(tmpVariables({}, '/own')).toEqual({ TMPDIR: '/own' })
  expect(tmpVariables({ TEMP: '/tmp', TMPDIR: '/tmp' }, '/own')).toEqual({ TMPDIR: '/own', TEMP: '/own' })
})
