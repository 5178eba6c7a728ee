/** NODE_OPTIONS, as Node itself splits it. */
import { spawnSync } from 'node:child_process'
import * as fc from 'fast-check'
import { expect } from 'vitest'
import { joinNodeOptions, splitNodeOptions } from '../../src/project/node-options.js'
import { law } from '../laws/law.js'
import { SLOW } from '../slow.js'

const OPTION = '--conditions='
const TELLS = 'process.stdout.write(JSON.stringify(require("internal/options").getOptionValue("--conditions")))'

/** The words that a Node found in its NODE_OPTIONS, all of which were conditions; undefined if it did not start. */
function wordsOfNode(text: string): readonly string[] | undefined {
  const { status, stdout } = spawnSync(process.execPath, ['--expose-internals', '-e', TELLS], {
    env: { NODE_OPTIONS: text },
    encoding: 'utf8',
    timeout: 20_000 * SLOW,
  })
  if (status !== 0) return undefined
  // What the program above prints.
  const values = JSON.parse(stdout) as readonly string[]
  return values.map((value) => `${OPTION}${value}`)
}

const plain = fc.constantFrom('a', 'é', ',', '\\', '\t', '\n', '\u00a0', "'", ` ${OPTION}`)
const quoted = fc
  .array(fc.constantFrom('b', ' ', '\\"', '\\\\', '\\c', '\t', ` ${OPTION}`), { maxLength: 4 })
  .map((pieces) => `"${pieces.join('')}"`)
const text = fc
  .tuple(
    fc.array(fc.oneof({ weight: 8, arbitrary: plain }, { weight: 4, arbitrary: quoted }, fc.constantFrom('"', ' '))),
  )
  .map(([pieces]) => `${OPTION}x${pieces.join('')}`)

law('NODE_OPTIONS has the words that Node finds in it', { cases: 30 }, [text], (options) => {
  const found = wordsOfNode(options)
  const words = splitNodeOptions(options)
  // Node looks no further than to the first word that is no option.
  const end = words.findIndex((word) => !word.startsWith('-'))
  if (found !== undefined) expect(end < 0 ? words : words.slice(0, end)).toEqual(found)
})

law('Node finds the words of which NODE_OPTIONS was joined', { cases: 20 }, [text], (options) => {
  const words = splitNodeOptions(options)
  fc.pre(words.every((word) => word.length > OPTION.length && word.startsWith(OPTION)))
  expect(wordsOfNode(joinNodeOptions(words))).toEqual(words)
})

law(
  'words that are joined and split are the same',
  { cases: 3000 },
  [fc.array(fc.string({ minLength: 1 }))],
  (words) => {
    expect(splitNodeOptions(joinNodeOptions(words))).toEqual(words)
  },
)
