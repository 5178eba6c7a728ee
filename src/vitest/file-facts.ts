/** Turns the ledger's lines about a test file into the facts of a report. */
import { randomUUID } from 'node:crypto'
import { homedir } from 'node:os'
import { relative } from 'node:path'
import type { LedgerLine } from '../broker/ledger.js'
import { writtenEntries } from '../policy/bind.js'
import { filesFor } from '../policy/file-globs.js'
import { showPath } from '../policy/request.js'
import { showAddress } from '../policy/words.js'
import type { TestFileFacts, Grant, Use, UseAccess } from '../report/data.js'
import type { ProjectPolicy } from './project-policy.js'
import type { FileAccesses } from './run-ledger.js'

/** An identifier of this process, which starts all workers that can meet. */
const RUN = randomUUID()

export function factsOf(entry: FileAccesses, { project, options, root }: ProjectPolicy): TestFileFacts {
  const { pid, began, ended, accesses, overflow, opened, left, file, tmp } = entry
  const mine = { ...options, files: filesFor(options, relative(project.config.root, file)) }
  return {
    run: RUN,
    pid,
    began,
    ended: ended ?? Date.now(),
    root,
    home: homedir(),
    overflow,
    opened,
    uses: usesOf(accesses, tmp),
    grants: writtenEntries(mine)
      .filter(isGrant)
      .map(({ list, source, at }): Grant => ({ list, source, at })),
    leaks: left.map(({ kind, request, text, descriptor, label, opened: at }) => ({
      kind,
      what: request === undefined ? text : placeOf(request, tmp),
      descriptor,
      opened: at,
      ...(label === undefined || label.id === '' ? {} : { test: label.test }),
    })),
  }
}

function isGrant({ list, source }: { readonly list: string; readonly source: string }): boolean {
  return list !== 'deny' && !source.startsWith('!')
}

/** One use for each resource and access, whichever tests made it. */
function usesOf(accesses: readonly LedgerLine[], tmp: string): Use[] {
  const uses = new Map<string, Use>()
  for (const { request, outcome, call, operation, by, label, first, last, count } of accesses) {
    const [access, what] = [accessOf(request), placeOf(request, tmp)]
    const key = `${access}\0${outcome}\0${by?.at ?? ''}\0${what}`
    const known = uses.get(key)
    uses.set(
      key,
      known === undefined
        ? {
            access,
            what,
            outcome,
            call,
            operation,
            ...(by === undefined ? {} : { by: by.at }),
            ...(label === undefined || label.id === '' ? {} : { test: label.test }),
            first,
            last,
            count,
          }
        : {
            ...known,
            first: Math.min(known.first, first),
            last: Math.max(known.last, last),
            count: known.count + count,
          },
    )
  }
  return [...uses.values()]
}

function accessOf({ access }: LedgerLine['request']): UseAccess {
  if (access === 'pair') return 'connect'
  if (access === 'list') return 'read'
  return access === 'move' || access === 'content' ? 'write' : access
}

/**
 * The place as a report names it. The temporary directory becomes `<tmp>`, because it has another name in each worker.
 */
function placeOf(request: LedgerLine['request'], tmp: string): string {
  if (request.kind === 'pair') return `pair:${request.name}`
  if (request.kind === 'socket') {
    const address = showAddress(request.address)
    return address.startsWith(`unix:${tmp}/`) ? `unix:<tmp>${address.slice(5 + tmp.length)}` : address
  }
  const path = showPath(request.path)
  return path === tmp || path.startsWith(`${tmp}/`) ? `<tmp>${path.slice(tmp.length)}` : path
}
