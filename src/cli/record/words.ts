/** What a recording says to people. */
import type { WrittenEntry } from '../../policy/bind.js'
import { listKeys } from '../../policy/lists.js'
import type { Manifest } from '../../policy/manifest.js'
import { quote } from '../../policy/nearest.js'
import type { RecordedFile } from '../../vitest/recording.js'
import type { Danger, Generalized } from './generalize.js'
import { textOf } from './merge.js'

/** Empty where nothing was found. */
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
  return listKeys.flatMap((key) => (manifest[key] ?? []).map((entry) => `  ${prefix}${key}: ${quote(textOf(entry))}`))
}

const MOST_USERS = 3

export function describeDangers(dangers: readonly Danger[], accepted: boolean): string {
  if (dangers.length === 0) return ''
  const lines = dangers.map(({ list, entry, why, users }) => {
    const more = users.length > MOST_USERS ? ` and ${users.length - MOST_USERS} more` : ''
    return `  ${list}: ${quote(entry)}  (${why}; used by ${users.slice(0, MOST_USERS).join(', ')}${more})`
  })
  const head = accepted
    ? 'DANGEROUS, and granted because of --accept-dangerous:'
    : 'DANGEROUS, and therefore NOT granted (--accept-dangerous would):'
  return `\n${head}\n${lines.join('\n')}\n`
}

export function describeUncovered(uncovered: readonly string[]): string {
  return uncovered.length === 0
    ? ''
    : `\nNo entry can grant this; confined, it will be refused or seem not to be there:\n${uncovered.map((line) => `  ${line}`).join('\n')}\n`
}

export function describeUnseen(unseen: readonly string[]): string {
  return unseen.length === 0
    ? ''
    : `\nNot granted, because only the whole directory could be; confined, it will seem not to be there:\n${unseen.map((line) => `  ${line}`).join('\n')}\n`
}

export function describeUnused(unused: readonly WrittenEntry[]): string {
  return unused.length === 0
    ? ''
    : `No test used:\n${unused.map(({ at, source }) => `  ${quote(source)}  (${at})`).join('\n')}\n`
}

export function howToUse(name: string): string {
  return `\nTo enforce it, in the Vitest config:\n  import { seccomp } from 'vitest-pool-seccomp'\n  plugins: [seccomp({ manifest: ${quote(name)} })]\n`
}

export function describeFailure(command: readonly string[], code: number): string {
  return code === 0
    ? ''
    : `\n${command.join(' ')} ended with exit code ${code}: what failed tests would have used is missing here.\n`
}

export function describeOverflow(files: readonly Pick<RecordedFile, 'file' | 'overflow'>[]): string {
  const names = files.filter(({ overflow }) => overflow).map(({ file }) => file)
  return names.length === 0
    ? ''
    : `\nMore was used than a recording holds, in ${names.join(', ')}: record again, which adds the rest.\n`
}
