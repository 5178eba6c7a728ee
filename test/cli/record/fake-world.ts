/** A disk of a few files and directories, for what is made of a recording. */
import type { LedgerLine } from '../../../src/broker/ledger.js'
import type { World } from '../../../src/cli/record/world.js'
import { bytePath, rawPath, type AccessRequest, type BytePath, type PathAccess } from '../../../src/policy/request.js'
import type { Recording, RecordedFile } from '../../../src/vitest/recording.js'

/** A path that ends in a slash is an empty directory; what lies above a path is one as well. */
export function worldOf(paths: readonly string[]): World {
  const files = new Set(paths.filter((path) => !path.endsWith('/')).map(bytePath))
  const dirs = new Set<string>(['/'])
  for (const path of paths)
    for (let at = path.replace(/\/$/, ''); at !== ''; at = at.slice(0, at.lastIndexOf('/')))
      if (!files.has(bytePath(at))) dirs.add(bytePath(at))
  return {
    lookup: (path) => ({ kind: files.has(path) ? 'file' : dirs.has(path) ? 'dir' : 'missing', real: path }),
    names(dir) {
      if (!dirs.has(dir)) return undefined
      const prefix = dir === '/' ? '/' : `${dir}/`
      return [
        ...new Set(
          [...files, ...dirs]
            .filter((path) => path !== dir && path.startsWith(prefix))
            .map((path) => path.slice(prefix.length).split('/')[0] ?? ''),
        ),
      ].sort()
    },
  }
}

export function recordingOf(
  files: Readonly<Record<string, readonly LedgerLine[]>>,
  more: Partial<Recording> = {},
): Recording {
  return {
    project: '',
    root: '/p',
    workspace: '/p',
    home: '/home/me',
    searchPath: ['/usr/bin', '/bin'],
    entries: [],
    testFiles: Object.keys(files),
    files: Object.entries(files).map(([file, accesses]): RecordedFile => ({
      file,
      tmp: '/tmp/vitest-seccomp-x1',
      accesses,
      overflow: false,
    })),
    ...more,
  }
}

/** As the ledger of an audited worker has it: nothing is granted, and all of it passed. */
export function did(access: PathAccess, path: string, more: Partial<LedgerLine> = {}): LedgerLine {
  return accessOf({ kind: 'path', access, path: bytePath(path) }, access === 'look' ? 'hidden' : 'denied', more)
}

export function connected(host: string, port: number, access: 'connect' | 'listen' = 'connect'): LedgerLine {
  return accessOf({ kind: 'socket', access, address: { family: 'inet', protocol: 'tcp', host, port } }, 'denied', {})
}

/** By the name of a host, whose look-up came before. */
export function connectedTo(name: string, host: string, port: number): readonly LedgerLine[] {
  return [lookedUp(name), { ...connected(host, port), host: { name, port, stage: 'found' } }]
}

export function lookedUp(name: string, port: number | '*' = '*'): LedgerLine {
  const server = { family: 'inet', protocol: 'udp', host: '192.0.2.53', port: 53 } as const
  return accessOf({ kind: 'socket', access: 'connect', address: server }, 'denied', {
    host: { name, port, stage: 'asked' },
  })
}

export function spoke(path: string): LedgerLine {
  return accessOf(
    { kind: 'socket', access: 'connect', address: { family: 'unix', path: bytePath(path) } },
    'denied',
    {},
  )
}

function accessOf(request: AccessRequest, outcome: LedgerLine['outcome'], more: Partial<LedgerLine>): LedgerLine {
  const there = request.kind === 'path' ? ('regular' as const) : undefined
  return {
    call: 'openat',
    operation: 'open',
    request,
    outcome,
    label: undefined,
    first: 0,
    last: 0,
    count: 1,
    ...(there === undefined ? {} : { there }),
    ...more,
  }
}

export function dirIn(path: BytePath): BytePath {
  return rawPath(path.slice(0, path.lastIndexOf('/')) || '/')
}
