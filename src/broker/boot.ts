/** The first lines of a broker process, whoever it serves. Before any thread is started. */
import { dirname } from 'node:path'
import { withdraw } from '../sys/confine.js'
import type { OwnedFd } from '../sys/owned-fd.js'
import { openProcess } from '../sys/pidfd.js'
import { PrivateDirectory } from '../sys/private-directory.js'
import { missingSupport, probeKernel } from '../sys/probe.js'
import { missingByYama, yamaFacts } from '../sys/yama.js'
import type { Ability } from './control.js'
import type { Host } from './host.js'
import { prepareSpawner } from './spawner.js'
import { TMP_NAME } from './tmp.js'

/** A pidfd of the process that this one serves, which has to be its parent: without one nothing is started for anybody. */
export function boot(parentPid: number): OwnedFd {
  // A pidfd names this very process for ever; checked against getppid(2) before anything is started for it.
  const parent = Number.isNaN(parentPid) ? undefined : openProcess(parentPid)
  if (parent === undefined || process.ppid !== parentPid) process.exit(0)
  withdraw()
  process.chdir('/')
  // Its thread loads while the rest is made ready.
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

/** Directories that runs left behind which were killed. */
export function tidyUp(directories: readonly string[]): void {
  for (const tmp of directories) void PrivateDirectory.removeAbandoned(dirname(`${tmp}/x`), TMP_NAME).catch(() => {})
}

/** Ends this process and what it has started. `close` is given as long as it may take. */
export async function endWith(close: () => Promise<void>, patience: number): Promise<void> {
  const late = new Promise((resolve) => setTimeout(resolve, patience))
  try {
    await Promise.race([close(), late])
  } finally {
    // Not exit(): threads are not waited for, and none of them is ended while it loads.
    process.kill(process.pid, 'SIGKILL')
  }
}
