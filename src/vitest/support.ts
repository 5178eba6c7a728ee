/** Finds out if this machine can confine tests at all: the broker process tries it. */
import { theBroker } from '../broker/client.js'
import type { Ability } from '../broker/control.js'
import { missingByLibc } from '../broker/libc.js'
import { missingByPlugAndPlay } from '../broker/plug-n-play.js'
import { BrokerGoneError } from '../errors.js'

const ARCHES: readonly string[] = ['x64', 'arm64']

let asked: Promise<Ability> | undefined
let known: Ability | undefined

/** The missing abilities, in words; empty where the pool can run. Asked once per process. */
export async function whatIsMissing(): Promise<readonly string[]> {
  asked ??= ask()
  known = await asked
  return known.missing
}

/** The state of sockets on this machine. Known only after `whatIsMissing`. */
export function socketsHere(): Ability['sockets'] {
  return known?.sockets ?? 'decided'
}

/**
 * Starts the broker process early, where a run may be possible, while Vitest is busy with other things. Vite alone and
 * tests read the config as well; only Vitest itself needs the broker.
 */
export function warmUp(): void {
  if (process.env.VITEST === undefined || process.env.VITEST_WORKER_ID !== undefined) return
  if (foreseen() === undefined) theBroker()
}

function lacking(what: string): Ability {
  return { missing: [what], sockets: 'refused' }
}

/** The missing ability that shows without a broker process. */
function foreseen(): string | undefined {
  if (process.platform !== 'linux') return `Linux: this is ${process.platform}`
  if (!ARCHES.includes(process.arch)) return `a processor of ${ARCHES.join(' or ')}: this is ${process.arch}`
  return [...missingByLibc(process.execPath), ...missingByPlugAndPlay()][0]
}

async function ask(): Promise<Ability> {
  const what = foreseen()
  if (what !== undefined) return lacking(what)
  try {
    return await theBroker().ability()
  } catch (error) {
    if (!(error instanceof BrokerGoneError)) throw error
    const reason = /^(?:\w*Error[^:]*: )?(.*koffi.*)$/m.exec(error.output)?.[1]
    if (reason === undefined) return lacking(`a broker process: ${error.message}`)
    return lacking(
      `koffi, through which the kernel is called: ${reason}. Was it installed without optional dependencies, or for another system?`,
    )
  }
}
