/** Describes a recording in words. */
import type { WrittenEntry } from '../../policy/bind.js'
import { writtenKeys } from '../../policy/lists.js'
import type { Manifest } from '../../policy/manifest.js'
import { quote } from '../../policy/nearest.js'
import type { RecordedFile } from '../../vitest/recording.js'
import { isOfRandomPort } from './addresses.js'
import type { Danger, Generalized } from './generalize.js'
import { textOf } from './merge.js'
import type { LeftOut } from './observe.js'
import type { Tightness } from './tightness.js'

/** The added entries; empty if nothing was found to add. */
export function describeAdded(to: string, { manifest, files }: Pick<Generalized, 'manifest' | 'files'>): string {
  const lines = [...linesOf(manifest, ''), ...Object.entries(files).flatMap(([glob, own]) => linesOf(own, `${glob}  `))]
  const verb = to === 'missing' ? 'The manifest lacks' : `${to}: added`
  return lines.length === 0
    ? to === 'missing'
      ? ''
      : `${to}: written, with nothing to grant.\n`
    : `${verb}\n${lines.join('\n')}\n`
}

function linesOf(manifest: Manifest, prefix: string): string[] {
  return writtenKeys.flatMap((key) =>
    (manifest[key] ?? []).map((entry) => `  ${prefix}${key}: ${quote(textOf(entry))}`),
  )
}

const MOST_USERS = 3

function about({ why, users }: Danger): string {
  const more = users.length > MOST_USERS ? ` and ${users.length - MOST_USERS} more` : ''
  return `${why}; used by ${users.slice(0, MOST_USERS).join(', ')}${more}`
}

export function describeDangers(dangers: readonly Danger[], accepted: boolean): string {
  if (dangers.length === 0) return ''
  const lines = dangers.map((danger) => `  ${danger.list}: ${quote(danger.entry)}  (${about(danger)})`)
  const head = accepted
    ? 'DANGEROUS, and granted because of --accept-dangerous:'
    : 'DANGEROUS, and therefore NOT granted (--accept-dangerous would):'
  return `\n${head}\n${lines.join('\n')}\n`
}

/** The line before a run whose output is not shown. */
export function describeTrying(entries: readonly string[]): string {
  return `Once more, to see whether the tests pass without ${entries.map(quote).join(', ')} …\n`
}

export function describeRefused(refused: readonly Danger[]): string {
  if (refused.length === 0) return ''
  const lines = refused.map((danger) => `  ${quote(danger.entry)}  (${about(danger)})`)
  return `\nAsked for, but the tests pass without, so it is refused as if not there (deny):\n${lines.join('\n')}\n`
}

/** The tightness in words; empty if no entry covers an existing file. */
export function describeTightness({ opened, used }: Tightness): string {
  return opened === 0
    ? ''
    : `\nOf ${opened} file${opened === 1 ? '' : 's'} of the project that these entries open, ${used === opened ? 'all' : used} were used (${Math.floor((100 * used) / opened)} %).\n`
}

/** A hint about single ports of this machine that the system may have chosen. */
export function describePorts({ manifest, files }: Pick<Generalized, 'manifest' | 'files'>): string {
  const entries = [manifest, ...Object.values(files)].flatMap(({ connect = [] }) => connect.map(textOf))
  const ports = [...new Set(entries.filter(isOfRandomPort))].sort()
  return ports.length === 0
    ? ''
    : `\nThe next run may have other ports, if the system chooses them. Then write tcp:localhost:32768-65535 instead:\n${ports.map((entry) => `  ${entry}\n`).join('')}`
}

export function describeUncovered(uncovered: readonly string[]): string {
  return uncovered.length === 0
    ? ''
    : `\nNo entry can grant this; confined, it will be refused or seem not to be there:\n${uncovered.map((line) => `  ${line}`).join('\n')}\n`
}

export function describeUnseen(unseen: readonly string[]): string {
  return unseen.length === 0
    ? ''
    : `\nOnly looked at elsewhere, and not granted; confined, it will seem not to be there:\n${unseen.map((line) => `  ${line}`).join('\n')}\n`
}

/**
 * The result of `--check`. `isTrue`: nothing is unused or missing. A dangerous access that is not granted does not
 * count.
 */
export function describeCheck(
  found: Pick<Generalized, 'manifest' | 'files' | 'dangers'>,
  unused: readonly WrittenEntry[],
): { readonly text: string; readonly isTrue: boolean } {
  const differences = describeUnused(unused) + describeAdded('missing', found)
  const isTrue = differences === ''
  const but = found.dangers.length === 0 ? '' : ', but for what is dangerous'
  const verdict = isTrue ? `The manifest grants what the tests use${but}, and nothing else.\n` : differences
  return { text: `\n${verdict}${describeDangers(found.dangers, false)}`, isTrue }
}

export function describeUnused(unused: readonly WrittenEntry[]): string {
  return unused.length === 0
    ? ''
    : `No test used:\n${unused.map(({ at, source }) => `  ${quote(source)}  (${at})`).join('\n')}\n`
}

/** `dir`: the project's root, relative to the working directory; '' where it is that directory. */
export function howToUse(name: string, dir: string): string {
  const [of, root] = dir === '' ? ['', ''] : [` of ${dir}/`, ` --root ${dir}`]
  return `\nTo enforce it, in the Vitest config${of}:\n  import { seccomp } from 'vitest-pool-seccomp'\n  plugins: [seccomp({ manifest: ${quote(name)} })]\nFor Vitest itself, with its plugins and reporters: npx vitest-seccomp run${root} --record, then npx vitest-seccomp run${root}\n`
}

export function describeFailure(command: readonly string[], code: number): string {
  return code === 0
    ? ''
    : `\n${command.join(' ')} ended with exit code ${code}: what failed tests would have used is missing here.\n`
}

export function describeLeftOut(leftOut: readonly LeftOut[]): string {
  return leftOut.length === 0
    ? ''
    : `\nNot recorded, and not confined:\n${leftOut.map(({ project, pool }) => `  ${project === '' ? 'the config' : `the project ${quote(project)}`} names the pool ${quote(pool)} for itself${pool === 'forks' || pool === 'threads' ? ': take that out' : ''}`).join('\n')}\n`
}

export function describeOverflow(files: readonly Pick<RecordedFile, 'file' | 'overflow'>[]): string {
  const names = files.filter(({ overflow }) => overflow).map(({ file }) => file)
  return names.length === 0
    ? ''
    : `\nMore was used than a recording holds, in ${names.join(', ')}: record again, which adds the rest.\n`
}
