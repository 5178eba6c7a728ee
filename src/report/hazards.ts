/**
 * Hazards: places that test files in different workers used at the same time. The order of their uses is left to
 * chance.
 */
import type { Hazard, Party, ReportFile, Use } from './data.js'

const MOST_PARTIES = 20

interface Met {
  readonly party: Party
  readonly run: string
  readonly pid: number
  /** The time of the whole test file. */
  readonly began: number
  readonly ended: number
}

/** The hazards, sorted by place. A worker's own temporary directory belongs to it alone, and devices keep nothing. */
export function hazardsOf(files: readonly ReportFile[]): Hazard[] {
  const byPlace = new Map<string, Met[]>()
  for (const file of files) {
    for (const use of file.facts?.uses ?? []) {
      const met = metIn(file, use)
      if (met === undefined) continue
      const key = `${met.run}\0${use.what}`
      const known = byPlace.get(key)
      if (known === undefined) byPlace.set(key, [met])
      else known.push(met)
    }
  }
  return [...byPlace]
    .flatMap(([key, all]) => hazardAt(key.slice(key.indexOf('\0') + 1), all))
    .sort((a, b) =>
      a.what < b.what ? -1 : a.what > b.what ? 1 : (a.parties[0]?.first ?? 0) - (b.parties[0]?.first ?? 0),
    )
}

const HARMLESS = /^(?:<tmp>|\/(?:dev|proc|sys)(?:\/|$)|(?:tcp|udp):.*:0$)/

function metIn({ project, file, facts }: ReportFile, use: Use): Met | undefined {
  const { access, what, outcome, by, operation, test, first, last } = use
  if (facts === undefined || outcome !== 'allowed' || access === 'look' || access === 'execute') return undefined
  // Two test files that acquired one listener share it because the manifest says so.
  if (operation === 'acquire' && access === 'listen') return undefined
  // Files that every worker may write have a name of their own for each, and creating a directory that exists changes
  // nothing.
  if (by === 'base' || HARMLESS.test(what) || operation === 'create-directory') return undefined
  const { run, pid, began, ended } = facts
  return {
    party: { project, file, ...(test === undefined ? {} : { test }), access, first, last },
    run,
    pid,
    began,
    ended,
  }
}

/**
 * The uses that overlap in time with another one of another process, where at least one of the two changes something.
 * Uses of the same place at another time are a hazard of their own.
 */
function hazardAt(what: string, all: readonly Met[]): Hazard[] {
  if (all.length < 2) return []
  const sorted = all.toSorted((a, b) => a.began - b.began)
  const meetings = new Map<Met, Set<Met>>()
  const join = (a: Met, b: Met): void => {
    const [one, other] = [meetings.get(a) ?? new Set([a]), meetings.get(b) ?? new Set([b])]
    const [small, large] = one.size < other.size ? [one, other] : [other, one]
    if (small !== large) for (const met of small) large.add(met)
    for (const met of small) meetings.set(met, large)
    meetings.set(a, large).set(b, large)
  }
  let running: Met[] = []
  for (const met of sorted) {
    running = running.filter(({ ended }) => ended > met.began)
    for (const other of running)
      if (other.pid !== met.pid && (changes(other.party) || changes(met.party))) join(other, met)
    running.push(met)
  }
  return [...new Set(meetings.values())].map((meeting) => {
    const parties = [...meeting].map(({ party }) => party).sort((a, b) => a.first - b.first)
    const shown = parties.slice(0, MOST_PARTIES)
    return { what, kind: kindOf(parties), parties: shown, more: parties.length - shown.length }
  })
}

function changes({ access }: Party): boolean {
  return access === 'write' || access === 'listen'
}

function kindOf(parties: readonly Party[]): Hazard['kind'] {
  const changing = parties.filter(changes)
  const several = new Set(changing.map(({ project, file }) => `${project}\0${file}`)).size > 1
  if (changing[0]?.access === 'listen') return several ? 'listen-listen' : 'listen-connect'
  return several ? 'write-write' : 'write-read'
}

const DID = {
  look: 'looked at',
  read: 'read',
  write: 'written',
  execute: 'run',
  connect: 'connected to',
  listen: 'listened on',
} as const
const MOST_TOLD = 20
const MOST_NAMED = 4

/** The warning at the end of a run; undefined without hazards. `shown` spells a place as people write it. */
export function hazardsText(hazards: readonly Hazard[], shown: (what: string) => string): string | undefined {
  if (hazards.length === 0) return undefined
  const places = hazards.length === 1 ? 'one place' : `${hazards.length} places`
  const lines = hazards.slice(0, MOST_TOLD).map(({ what, parties, more }) => {
    const named = parties.slice(0, MOST_NAMED).map((party) => `    ${DID[party.access]} by ${nameOf(party)}`)
    const rest = more + parties.length - named.length
    return [`  ${shown(what)}`, ...named, ...(rest > 0 ? [`    and by ${rest} more`] : [])].join('\n')
  })
  return [
    ` seccomp  Test files that ran at the same time met at ${places}, so a result may change from one run to the next:`,
    '',
    ...lines,
    ...(hazards.length > MOST_TOLD ? [`  and ${hazards.length - MOST_TOLD} more`] : []),
    '',
    '  Below <tmp>/ and on port 0 nothing can meet.',
    '',
  ].join('\n')
}

/** The name of a party. Names come from the worker: a control character must not reach a terminal. */
export function nameOf({ project, file, test }: Pick<Party, 'project' | 'file' | 'test'>): string {
  const name = `${project === '' ? '' : `[${project}] `}${file}${test === undefined ? '' : ` > ${test}`}`
  // oxlint-disable-next-line no-control-regex -- control characters are what is taken out
  return name.replace(/[\x00-\x1f\x7f]/g, ' ')
}
