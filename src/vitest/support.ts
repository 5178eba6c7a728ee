/** Whether this machine can confine at all: the broker process finds out, by trying. */
import { theBroker } from '../broker/client.js'
import { BrokerGoneError } from '../errors.js'

const ARCHES: readonly string[] = ['x64', 'arm64']

let asked: Promise<readonly string[]> | undefined

/** What is missing, in words; empty where the pool can run. Asked once per process. */
export function whatIsMissing(): Promise<readonly string[]> {
  asked ??= ask()
  return asked
}

/**
 * Starts the broker process, where a run may be possible, while Vitest has other things to do. A config is read by Vite alone as
 * well, and by tests: only Vitest itself needs it.
 */
export function warmUp(): void {
  if (process.env.VITEST === undefined || process.env.VITEST_WORKER_ID !== undefined) return
  if (process.platform === 'linux' && ARCHES.includes(process.arch)) theBroker()
}

async function ask(): Promise<readonly string[]> {
  if (process.platform !== 'linux') return [`Linux: this is ${process.platform}`]
  if (!ARCHES.includes(process.arch)) return [`a processor of ${ARCHES.join(' or ')}: this is ${process.arch}`]
  try {
    return await theBroker().missing()
  } catch (error) {
    if (!(error instanceof BrokerGoneError)) throw error
    const reason = /^(?:\w*Error[^:]*: )?(.*koffi.*)$/m.exec(error.output)?.[1]
    if (reason === undefined) return [`a broker process: ${error.message}`]
    return [
      `koffi, through which the kernel is called: ${reason}. Was it installed without optional dependencies, or for another system?`,
    ]
  }
}
