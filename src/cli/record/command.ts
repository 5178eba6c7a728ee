/** `vitest-seccomp record` writes a manifest of everything that the tests do. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { MANIFEST_FILE, type ManifestFile } from '../../policy/manifest.js'
import { quote } from '../../policy/nearest.js'
import { parseOptions, withManifestFile } from '../../policy/schema.js'
import type { Recording } from '../../vitest/recording.js'
import { EXIT, readArguments, UsageError, type Command, type Io } from '../command.js'
import { disk } from './disk.js'
import { generalize, type Generalized } from './generalize.js'
import { mergeFiles, unusedEntries, withoutLists } from './merge.js'
import { observe, vitestArguments } from './observe.js'
import { asJson, asTypeScript } from './print.js'
import {
  describeAdded,
  describeCheck,
  describeDangers,
  describeFailure,
  describeLeftOut,
  describeOverflow,
  describePorts,
  describeRefused,
  describeTightness,
  describeTrying,
  describeUncovered,
  describeUnseen,
  howToUse,
} from './words.js'

const help = `vitest-seccomp record [options] [-- command]

Runs the tests with nothing refused, and writes what they used as a manifest. Default command: vitest run.
What is there already is kept and added to; a second recording after all tests passed adds nothing.

  --out <file>          the manifest, relative to the Vitest root (default: the one that the config
                        names, else ${MANIFEST_FILE})
  --print               print TypeScript for the config instead of writing a file
  --fresh               forget what the manifest file held
  --accept-dangerous    also grant what looks dangerous: secrets, your home directory, control sockets;
                        each with the reason beside it
  --check               write nothing; say which grants no test used and what is missing, and exit with 1
                        if there is any; what looks dangerous and is not granted is told, and is no reason to

Exit code: that of the command where it failed, else 0; 2 where nothing could be recorded.
`

export const record: Command = { summary: 'run the tests and write down what they use', help, run: runRecord }

interface Settings {
  readonly out: string | undefined
  readonly print: boolean
  readonly fresh: boolean
  readonly check: boolean
  readonly acceptDangerous: boolean
  readonly unneeded: ReadonlySet<string>
}

async function runRecord(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals, rest } = readArguments(args, {
    out: 'text',
    print: 'flag',
    fresh: 'flag',
    check: 'flag',
    'accept-dangerous': 'flag',
  })
  if (positionals.length > 0)
    throw new UsageError(`the command goes after --: vitest-seccomp record -- ${positionals.join(' ')}`)
  const { out, print, fresh, check, 'accept-dangerous': acceptDangerous } = values
  const command = rest === undefined || rest.length === 0 ? ['vitest', 'run'] : rest
  const how = {
    manifest: out ?? MANIFEST_FILE,
    counts: check ? 'all' : fresh ? 'nothing' : 'file',
  } as const
  const { code, recordings, poolAdded, leftOut } = await observe(command, how)
  const usable = recordings.filter(({ files }) => files.length > 0)
  if (usable.length === 0) {
    io.err(nothingRecorded(command, code) + describeLeftOut(leftOut))
    return EXIT.usage
  }
  const roots = byRoot(usable)
  // An entry is known to be unnecessary only if all tests pass without it.
  const unneeded =
    code === 0 && !check && !acceptDangerous
      ? await withoutThem(askedFor(roots), io, async (deny) => (await observe(command, { ...how, deny })).code)
      : new Set<string>()
  const settings = { out, print, fresh, check, acceptDangerous, unneeded }
  const codes = roots.map((recording) => conclude(recording, settings, poolAdded, io))
  io.err(describeLeftOut(leftOut) + describeFailure(command, code))
  return code === 0 ? Math.max(...codes) : code
}

function nothingRecorded(command: readonly string[], code: number): string {
  const ended = code === 0 ? '' : `ended with exit code ${code} and `
  const told = `vitest-seccomp record: ${quote(command.join(' '))} ${ended}ran no test in the pool, so there is nothing to write.\n`
  // Then the pool is there, and what Vitest has printed says why.
  if (vitestArguments(command) !== undefined) return told
  return (
    told +
    'Name Vitest itself (vitest-seccomp record -- vitest run), or add the pool to the config:\n' +
    "  import { seccomp } from 'vitest-pool-seccomp'\n" +
    `  plugins: [seccomp({ manifest: ${quote(MANIFEST_FILE)} })]\n`
  )
}

/** The dangerous files that were opened for reading, often only in passing. */
function askedFor(recordings: readonly Recording[]): readonly string[] {
  const dangers = recordings.flatMap((one) => generalize(one, disk, { acceptDangerous: false }).dangers)
  return [...new Set(dangers.filter(({ list }) => list === 'read').map(({ entry }) => entry))]
}

/**
 * The entries without which the tests pass. If the tests fail without all of them, the files are tried without the
 * directories.
 */
export async function withoutThem(
  entries: readonly string[],
  io: Pick<Io, 'err'>,
  codeWithout: (entries: readonly string[]) => Promise<number>,
): Promise<ReadonlySet<string>> {
  const files = entries.filter((entry) => !entry.endsWith('/'))
  const attempts = [entries, ...(files.length === entries.length ? [] : [files])].filter((one) => one.length > 0)
  for (const attempt of attempts) {
    io.err(`\n${describeTrying(attempt)}`)
    if ((await codeWithout(attempt)) === 0) return new Set(attempt)
  }
  return new Set()
}

/** Merges the recordings of projects with the same root, because they share a manifest. */
function byRoot(recordings: readonly Recording[]): readonly Recording[] {
  const roots = new Map<string, Recording>()
  for (const recording of recordings) {
    const known = roots.get(recording.root)
    roots.set(
      recording.root,
      known === undefined
        ? recording
        : {
            ...known,
            files: [...known.files, ...recording.files],
            entries: [...known.entries, ...recording.entries],
            testFiles: [...new Set([...known.testFiles, ...recording.testFiles])],
          },
    )
  }
  return [...roots.values()]
}

function conclude(recording: Recording, settings: Settings, poolAdded: boolean, io: Io): number {
  const name = settings.out ?? recording.manifestFile ?? MANIFEST_FILE
  const file = resolve(recording.root, name)
  const shown = relative(process.cwd(), file)
  const there = readManifest(file, name)
  const before = settings.fresh ? withoutLists(there) : there
  const found = generalize(recording, disk, { ...settings, reasons: true })
  if (settings.check) return checked(recording, found, io)
  const merged = mergeFiles(before, found)
  const written = settings.print ? merged : { $schema: schemaFrom(file), ...merged }
  if (settings.print) io.out(asTypeScript(written))
  else if (existsSync(file) && readFileSync(file, 'utf8') === asJson(written)) io.err(`\n${shown}: nothing to add.\n`)
  else {
    writeFileSync(file, asJson(written))
    io.err(`\n${describeAdded(shown, found)}`)
  }
  io.err(
    describeTightness(found.tightness) +
      describeRefused(found.refused) +
      describeDangers(found.dangers, settings.acceptDangerous) +
      describePorts(found) +
      describeUncovered(found.uncovered) +
      describeUnseen(found.unseen),
  )
  io.err(describeOverflow(recording.files))
  if (!settings.print && (poolAdded || recording.manifestFile === undefined))
    io.err(howToUse(name, relative(process.cwd(), recording.root)))
  return EXIT.ok
}

function checked(recording: Recording, found: Generalized, io: Io): number {
  const unused = unusedEntries(
    recording.entries,
    recording.files.flatMap(({ accesses }) => accesses),
  )
  const { text, isTrue } = describeCheck(found, unused)
  io.out(text)
  return isTrue ? EXIT.ok : EXIT.no
}

function readManifest(file: string, name: string): ManifestFile {
  if (!existsSync(file)) return {}
  const text = readFileSync(file, 'utf8')
  // The content is used as it is, once it is known to be a valid manifest.
  withManifestFile(parseOptions({}), name, text)
  return JSON.parse(text)
}

/** The path of this package's JSON schema, relative to the manifest, for editors. */
function schemaFrom(file: string): string {
  const inPackage = 'node_modules/vitest-pool-seccomp/dist/manifest.schema.json'
  for (let dir = dirname(file); ; dir = dirname(dir)) {
    if (existsSync(join(dir, inPackage)) || dir === dirname(dir)) {
      const path = relative(dirname(file), join(existsSync(join(dir, inPackage)) ? dir : dirname(file), inPackage))
      return path.startsWith('.') ? path : `./${path}`
    }
  }
}
