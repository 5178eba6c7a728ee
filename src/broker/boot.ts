/**
 * The first steps of a broker process, whether it serves Vitest or the launcher. They come before any thread is
 * started.
 */
import { dirname } from 'node:path'
import { tagProcesses, withdraw } from '../sys/confine.js'
import type { OwnedFd } from '../sys/owned-fd.js'
import { openProcess } from '../sys/pidfd.js'
import { PrivateDirectory } from '../sys/private-directory.js'
import { missingSupport, probeKernel } from '../sys/probe.js'
import { missingByYama, yamaFacts } from '../sys/yama.js'
import type { Ability } from './control.js'
import type { Host } from './host.js'
import { endAlone, endWithStarted, noteTag } from './process-end.js'
import { killLeftBehind } from './process-tag.js'
import { prepareSpawner } from './spawner.js'
import { tagIn, TMP_NAME } from './tmp.js'

/**
 * Opens a pidfd of the process that this one serves, which must be its parent. Without one, this process ends and
 * starts nothing. `tag`: of this process and all that it starts.
 */
export function boot(parentPid: number, tag: number): OwnedFd {
  // A pidfd names one process for ever. Check it against getppid(2) before anything is started for that process.
  const parent = Number.isNaN(parentPid) ? undefined : openProcess(parentPid)
  if (parent === undefined || process.ppid !== parentPid) process.exit(0)
  withdraw()
  // Where a lower limit is in force, what this process leaves behind is looked for by its environment alone.
  if (tagProcesses(tag)) noteTag(tag)
  process.chdir('/')
  // The spawner thread loads while the rest is made ready.
  prepareSpawner()
  return parent
}

/** The abilities of this machine. */
export function abilityOf({ reception }: Pick<Host, 'reception'>): Ability {
  return {
    missing: [...missingSupport(probeKernel()), ...missingByYama(yamaFacts())],
    sockets: reception === 'none' ? 'refused' : 'decided',
  }
}

/** Ends the processes and removes the directories that killed runs left behind. */
export function tidyUp(directories: readonly string[]): void {
  for (const tmp of directories)
    void PrivateDirectory.removeAbandoned(dirname(`${tmp}/x`), TMP_NAME, endLeftBehind).catch(() => {})
}

/** The tags that were looked at: a run has many directories. */
const looked = new Set<number>()

/** Ends what is left of the broker process that made this private directory, if that one is gone. */
function endLeftBehind(name: string): void {
  const tag = tagIn(name)
  if (tag === undefined || looked.has(tag)) return
  looked.add(tag)
  killLeftBehind(tag)
}

/** Ends this process and everything that it started. `close` may take `patience` milliseconds. */
export async function endWith(close: () => Promise<void>, patience: number): Promise<void> {
  const late = new Promise<false>((resolve) => setTimeout(resolve, patience, false))
  let isDone = false
  try {
    isDone = await Promise.race([close().then(() => true), late])
  } finally {
    if (isDone) endAlone()
    else endWithStarted()
  }
}
