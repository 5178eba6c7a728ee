/** `vitest-seccomp run --record`: writes what Vitest's own process used into the `runner` part of the manifest file. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { LedgerLine } from '../../broker/ledger.js'
import type { ManifestFile } from '../../policy/manifest.js'
import { DIRS_OF_CACHES } from '../../policy/runner-base.js'
import type { ProjectRoot } from '../../project/root.js'
import { disk } from '../record/disk.js'
import { generalize } from '../record/generalize.js'
import { mergeFiles } from '../record/merge.js'
import { asJson } from '../record/print.js'
import { describeAdded, describeDangers, describeUncovered } from '../record/words.js'
import { isWildcard } from './refusals.js'

interface RunnerRecording {
  readonly place: ProjectRoot
  readonly acceptDangerous: boolean
  readonly tmp: string
  readonly accesses: readonly LedgerLine[]
  readonly overflow: boolean
  /** The absolute path, and the path as it is shown. */
  readonly path: string
  readonly shown: string
}

/** Writes the new entries, and returns a text about them. */
export function recordRunner(recording: RunnerRecording): string {
  const { acceptDangerous, path, shown, tmp, accesses, overflow } = recording
  const { root, workspace, home, searchPath } = recording.place
  const found = generalize(
    {
      root,
      workspace,
      home,
      searchPath,
      testFiles: [RUNNER],
      files: [
        {
          file: RUNNER,
          tmp,
          accesses: accesses.filter((line) => !isWayToCache(line) && !isProbe(line, accesses)),
          overflow,
        },
      ],
    },
    disk,
    { acceptDangerous },
  )
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '{}'
  // It was checked as a manifest file when the run began.
  const before: ManifestFile = JSON.parse(text.replace(/^\uFEFF/, ''))
  const after = asJson(mergeFiles(before, { runner: found.manifest }))
  const isNew = after !== text
  if (isNew) writeFileSync(path, after)
  return (
    (isNew ? describeAdded(`${shown} (runner)`, found) : `\n${shown} (runner): nothing to add.\n`) +
    describeDangers(found.dangers, acceptDangerous) +
    describeUncovered(found.uncovered) +
    (overflow ? '\nThere was more than is kept: record once more with these grants in force.\n' : '')
  )
}

/** The name in place of a test file, because there is none. */
const RUNNER = 'runner'

/** Vitest makes a directory that the run has made: it gets EEXIST with or without an entry. */
function isWayToCache({ operation, request }: LedgerLine): boolean {
  return (
    operation === 'create-directory' &&
    request.kind === 'path' &&
    DIRS_OF_CACHES.some((name) => request.path.endsWith(`/node_modules/${name}`))
  )
}

/** Vite 8 tries a port on every address before it listens on one of them. A refusal there does it no harm. */
function isProbe({ request }: LedgerLine, accesses: readonly LedgerLine[]): boolean {
  const port = portOf(request)
  return (
    port !== undefined &&
    port.isWildcard &&
    accesses.some(({ request: other }) => {
      const found = portOf(other)
      return found !== undefined && !found.isWildcard && found.port === port.port
    })
  )
}

function portOf(request: LedgerLine['request']): { readonly port: number; readonly isWildcard: boolean } | undefined {
  if (request.kind !== 'socket' || request.access !== 'listen') return undefined
  const { address } = request
  return address.family === 'inet' && address.protocol === 'tcp'
    ? { port: address.port, isWildcard: isWildcard(address.host) }
    : undefined
}
