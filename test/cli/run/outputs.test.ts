import { expect, test } from 'vitest'
import { outputsIn } from '../../../src/cli/run/outputs.js'

const file = (path: string) => ({ path, shape: 'file' as const })
const tree = (path: string) => ({ path, shape: 'tree' as const })

test.each([
  [`outputFile: 'reports/junit.xml'`, [file('reports/junit.xml')]],
  [`reporters: [['junit', { outputFile: "./junit.xml" }]]`, [file('./junit.xml')]],
  [
    `outputFile: {\n  junit: './out/junit.xml',\n  'json': \`out/all.json\`,\n}`,
    [file('./out/junit.xml'), file('out/all.json')],
  ],
  [`outputFile: { html: 'out/html/index.html' }`, [tree('out/html')]],
  [`outputFile: { html: 'index.html' }`, [file('index.html')]],
  [`coverage: { provider: 'v8', reportsDirectory: './out/coverage' }`, [tree('./out/coverage')]],
  [`{"attachmentsDir": "out/files"}`, [tree('out/files')]],
])('%s', (config, outputs) => {
  expect(outputsIn(config)).toEqual(outputs)
})

test.each([
  `outputFile: process.env.OUT`,
  `outputFile: '/etc/passwd'`,
  `outputFile: '../elsewhere.json'`,
  `outputFile: 'a/../../elsewhere.json'`,
  `outputFile: '.git/hooks/pre-commit'`,
  `outputFile: 'out/../.GIT/config'`,
  `outputFile: 'node_modules/x/index.js'`,
  `reportsDirectory: '.'`,
  `reportsDirectory: './'`,
  `reportsDirectory: 'a/..'`,
  `reportsDirectory: '**'`,
  'reportsDirectory: `${dir}/x`',
])('no output by %s', (config) => {
  expect(outputsIn(config)).toEqual([])
})
