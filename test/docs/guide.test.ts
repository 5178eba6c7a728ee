/** The guide is right: each page that shows a project runs as one, options parse, commands exist, links lead somewhere. */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parseOptions } from '../../src/policy/schema.js'
import { repository } from '../harness/confined.js'
import { blocksOf, filesOf, linksOf, outputsOf, textOf } from './markdown.js'

const pages = readdirSync(join(repository, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)
const all = [...pages, 'README.md', 'SECURITY.md', 'CONTRIBUTING.md']
const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'guide-')))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** `<!-- runs: 1 failed | 2 passed -->`: what Vitest counts. */
const countsOf = (text: string): string | undefined => /<!-- runs: (.*) -->/.exec(text)?.[1]

function run(root: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(repository, 'node_modules/vitest/vitest.mjs'), 'run'], {
      cwd: root, env: { ...process.env, NO_COLOR: '1', CI: 'true' }, timeout: 200_000,
    }, (_error, stdout, stderr) => resolve(stdout + stderr))
  })
}

describe('each page that shows a project', () => {
  const projects = pages.filter((page) => countsOf(textOf(page)) !== undefined)

  test('there are some', () => {
    expect(projects.length).toBeGreaterThanOrEqual(6)
  })

  test.for(projects)('%s runs, and prints what it promises', async (page) => {
    const blocks = blocksOf(textOf(page))
    const root = join(scratch, page)
    mkdirSync(root, { recursive: true })
    symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'))
    const files = new Map([['package.json', '{ "type": "module" }'], ...filesOf(blocks)])
    for (const [path, text] of files) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    const output = await run(root)
    expect(output.replaceAll(/ +/g, ' ')).toContain(` Tests ${countsOf(textOf(page))} `)
    for (const promised of outputsOf(blocks)) expect(output).toContain(promised.replaceAll('/home/me/shop', root))
  })
})

test.each(all)('%s: every call of seccomp() takes these options', (page) => {
  for (const { language, body } of blocksOf(textOf(page))) {
    if (language !== 'ts' || !body.startsWith('seccomp({')) continue
    // A literal of the page's: evaluated as the config file that it stands for would be.
    expect(() => parseOptions(new Function(`return ${body.replace(/^seccomp\(/, '(')}`)()), body).not.toThrow()
  }
})

test.each(all)('%s: every link leads to a file', (page) => {
  expect(linksOf(textOf(page)).filter((target) => !existsSync(join(repository, dirname(page), target)))).toEqual([])
})

test.each(all)('%s: the scripts that it names are there', (page) => {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> }
  const named = [...textOf(page).matchAll(/`(?:[^`\n]*&& )?npm run ([\w:]+)/g)].map(([, name]) => String(name))
  expect(named.filter((name) => !(name in scripts))).toEqual([])
  const files = [...textOf(page).matchAll(/\bnode (scripts\/[\w./-]+\.mjs)/g)].map(([, name]) => String(name))
  expect(files.filter((name) => !existsSync(join(repository, name)))).toEqual([])
})

test.each(all)('%s: the commands of vitest-seccomp that it shows exist, with these options', (page) => {
  const shown = [...textOf(page).matchAll(/npx vitest-seccomp (\w+)([^`\n#]*)/g)].map(([, command = '', rest = '']) => ({ command, rest }))
  for (const { command, rest } of shown) {
    const help = execFileSync(process.execPath, [join(repository, 'dist/cli/bin.js'), command, '--help'], { encoding: 'utf8' })
    const [own = ''] = rest.split(' -- ')
    for (const [option] of own.matchAll(/--[\w-]+/g)) expect(help, `${command} ${option}`).toContain(option)
  }
})

test('the index of the guide has every page', () => {
  const linked = linksOf(textOf('docs/guide/README.md'))
  const own = readdirSync(join(repository, 'docs/guide')).filter((name) => name !== 'README.md')
  expect(own.filter((name) => !linked.includes(name))).toEqual([])
})

test('the tables of the matrix have every cell, and no red one without its explanation', async () => {
  const { CELLS } = await import(join(repository, 'scripts/matrix/cells.mjs')) as { CELLS: readonly { readonly title?: string; readonly vitest: string; readonly node: string }[] }
  const text = textOf('docs/compatibility.md')
  for (const { title, vitest, node } of CELLS) expect(text).toContain(title === undefined ? `| ${vitest} | ${node} |` : `| ${title} |`)
  const [, explanations = ''] = text.split('### Red cells')
  for (const [, row = ''] of text.matchAll(/^\| (.*?) \|.*\bRED\b/gm)) expect(explanations).toContain(row)
})

test('the API page is what the docstrings say now', () => {
  const made = execFileSync(process.execPath, [join(repository, 'scripts/docs-api.mjs'), '--print'], { encoding: 'utf8' })
  expect(textOf('docs/guide/api.md'), 'run: npm run build && node scripts/docs-api.mjs').toBe(made)
})
