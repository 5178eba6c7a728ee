/** `vitest-seccomp explain` says what a run would answer, and which entry decides. */
import { promises as dns } from 'node:dns'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { ARCHES } from '../../abi/arch.js'
import { compile } from '../../bpf/compile.js'
import { disassemble } from '../../bpf/disassemble.js'
import { codeOf } from '../../errors.js'
import { filesFor } from '../../policy/file-globs.js'
import { MANIFEST_FILE } from '../../policy/manifest.js'
import { oneOf } from '../../policy/nearest.js'
import { presets, parsePreset } from '../../policy/presets.js'
import { manifestText } from '../../policy/print.js'
import { parseOptions, withManifestFile } from '../../policy/schema.js'
import { lookup } from '../../project/lookup.js'
import { workerFilter } from '../../syscalls/filter.js'
import { openRun } from '../../vitest/open-project.js'
import type { ProjectPolicy } from '../../vitest/project-policy.js'
import { EXIT, readArguments, UsageError, type Command, type Io } from '../command.js'
import { readRunArguments, rootOf } from '../run/arguments.js'
import { runnerPolicy } from '../run/runner-policy.js'
import { answer } from './answer.js'
import { describeBase } from './base.js'
import { questionsOf } from './subject.js'

const help = `vitest-seccomp explain <path | address | program> [options] [-- options of Vitest]
vitest-seccomp explain --base | --preset <name> | --filter

Says which entry of the manifest covers something, or why none does and what to add. Paths are relative to where you
are; <tmp>/ and the other placeholders mean what they mean in the manifest.

  --file <test file>    for this test file, with what \`files\` grants it on top
  --access <access>     for a path: look, read (default), content, write, move, execute (default for a program);
                        for an address: connect (default), listen
  --project <name>      one of several Vitest projects
  --config <file>       another config than the one that is found here
  --base                what is granted without any entry, and why
  --runner              for Vitest's own process, where \`vitest-seccomp run\` confines it
  --preset <name>       what a preset of \`use\` stands for: ${Object.keys(presets).join(', ')}
  --filter              the seccomp filter as text; --arch <x64 | arm64> for another machine

After --: what the run gets on its command line and decides by, such as -- --mode staging

Exit code: 0 allowed, 1 refused, 2 not to be answered.
`

export const explain: Command = {
  summary: 'say which entry covers a path, an address or a program, or what to add',
  help,
  run,
}

async function run(args: readonly string[], io: Io): Promise<number> {
  const {
    values,
    positionals,
    rest = [],
  } = readArguments(args, {
    file: 'text',
    access: 'text',
    project: 'text',
    config: 'text',
    preset: 'text',
    base: 'flag',
    runner: 'flag',
    filter: 'flag',
    arch: 'text',
  })
  if (values.filter) return printFilter(values.arch ?? process.arch, io)
  if (values.preset !== undefined) return printPreset(values.preset, io)
  const [subject] = positionals
  if (positionals.length !== 1 && !values.base)
    throw new UsageError('one path, address or program is needed; --help says more')
  if (values.runner) return explainRunner(values, subject, rest, io)
  await using opened = await openRun(values.config === undefined ? rest : ['--config', values.config, ...rest])
  const wanted = opened.projects.filter(
    ({ project, policy }) => policy !== undefined && (values.project ?? project.name) === project.name,
  )
  if (wanted.length === 0)
    throw new UsageError(
      values.project === undefined
        ? 'no project of this config runs in the seccomp pool'
        : `no project ${values.project} runs in the seccomp pool`,
    )
  let code: number = EXIT.ok
  for (const { project, policy } of wanted) {
    if (policy === undefined) continue
    const bound = policy()
    await bound.resolveHosts()
    if (wanted.length > 1) io.out(`[${project.name}]\n`)
    const own = await explained(bound, values, subject, io)
    code = Math.max(code, own)
    if (wanted.length > 1) io.out('\n')
  }
  return code
}

function printPreset(source: string, io: Io): number {
  const parsed = parsePreset(source)
  if (!parsed.ok) throw new UsageError(`--preset is ${parsed.problem.expected}, not ${parsed.problem.found}`)
  const [name = ''] = source.split(':')
  io.out(`${source}: ${presets[name]?.summary ?? ''}\n${manifestText(parsed.value.lists, '')}\n`)
  return EXIT.ok
}

function printFilter(name: string, io: Io): number {
  const arch = ARCHES.find((one) => one === name)
  if (arch === undefined) throw new UsageError(`--arch is ${oneOf(ARCHES)}, not ${name}`)
  io.out(disassemble(compile(workerFilter(arch)), arch))
  return EXIT.ok
}

interface ExplainOptions {
  readonly file: string | undefined
  readonly access: string | undefined
  readonly base: boolean
}

async function explained(
  bound: ProjectPolicy,
  { file, access, base }: ExplainOptions,
  subject: string | undefined,
  io: Io,
): Promise<number> {
  // The real name of a worker's directory is not known before the worker starts.
  const tmp = join(tmpdir(), 'vitest-seccomp-XXXXXX')
  const testFile = file === undefined ? undefined : resolve(file)
  const policy = bound.for(tmp, testFile === undefined ? [] : [testFile], [])
  const applied = testFile === undefined ? [] : filesFor(bound.options, relative(bound.project.config.root, testFile))
  const others = bound.options.files
    .filter((entry) => !applied.includes(entry))
    .map((entry) => ({ glob: entry.glob, policy: bound.forGlob(tmp, entry) }))
  return answered({ policy, others, suggest: bound.suggestContext(tmp) }, { access, base }, subject, io)
}

/** Answers for Vitest's own process, with the policy that `vitest-seccomp run` makes. Nothing of the project is run. */
async function explainRunner(
  options: Pick<ExplainOptions, 'access' | 'base'>,
  subject: string | undefined,
  args: readonly string[],
  io: Io,
): Promise<number> {
  const parsed = readRunArguments(args)
  const root = realpathSync(rootOf(parsed, process.cwd()))
  const name = parsed.manifest ?? MANIFEST_FILE
  const manifestFile = resolve(root, name)
  const tmp = join(tmpdir(), 'vitest-seccomp-XXXXXX')
  const { policy, place } = await runnerPolicy({
    root,
    tmp,
    options: existsSync(manifestFile)
      ? withManifestFile(parseOptions({}), name, readFileSync(manifestFile, 'utf8'))
      : parseOptions({}),
    manifestFile,
    args: parsed,
    terminal: undefined,
    env: process.env,
    audit: false,
  })
  return answered({ policy, others: [], suggest: { ...place, tmp } }, options, subject, io)
}

async function answered(
  context: Parameters<typeof answer>[1],
  { access, base }: Pick<ExplainOptions, 'access' | 'base'>,
  subject: string | undefined,
  io: Io,
): Promise<number> {
  const { policy, suggest } = context
  if (base) {
    io.out(describeBase(policy))
    return EXIT.ok
  }
  const { root, workspace, home, tmp = '/tmp' } = suggest
  const places = { root, workspace, home, tmp }
  const questions = await questionsOf(subject ?? '', access, {
    ...places,
    cwd: process.cwd(),
    searchPath: suggest.searchPath ?? [],
    lookup,
    resolve: addressesOf,
  })
  const answers = questions.map((question) => answer(question, context))
  io.out(onceEach(answers.map(({ text }) => text).join('')))
  if (policy.mode === 'audit') io.out("  (mode: 'audit' refuses nothing)\n")
  return answers.every(({ allowed }) => allowed) ? EXIT.ok : EXIT.no
}

/** A name may have many addresses, of which the same is to be said. */
function onceEach(text: string): string {
  return [...new Set(text.trimEnd().split('\n'))].map((line) => `${line}\n`).join('')
}

async function addressesOf(host: string): Promise<readonly string[]> {
  try {
    return (await dns.lookup(host, { all: true })).map(({ address }) => address)
  } catch (error) {
    if (codeOf(error) !== undefined) return []
    throw error
  }
}
