import { expect, test } from 'vitest'
import { configuredModules } from '../../../src/vitest/gate/configured.js'
import { scratch } from './stand-in.js'

test('a set-up file elsewhere brings the scripts that it imports from beside it, and nothing else', () => {
  using at = scratch()
  const setup = at.write(
    'shared/setup.ts',
    "import './a.js'\nimport data from './data.json'\nimport x from 'package'\n",
  )
  const a = at.write('shared/a.ts', "export { b } from './deep'\n")
  const deep = at.write('shared/deep/index.ts', "import '../setup'\n")
  at.write('shared/data.json', '{}')
  at.write('shared/other.ts', '')
  expect(configuredModules([['../shared/setup.ts'], undefined], at.at('root'), () => false).sort()).toEqual(
    [a, deep, setup].sort(),
  )
  expect(configuredModules(['../shared/setup.ts'], at.at('root'), () => true)).toEqual([setup])
})
