/** Whether this machine can confine at all. Nothing that needs Linux is loaded before that is known. */
import { prepareSpawner } from '../broker/spawner.js'

const ARCHES: readonly string[] = ['x64', 'arm64']

let asked: Promise<readonly string[]> | undefined

/** What is missing, in words; empty where the pool can run. Asked once per process. */
export function whatIsMissing(): Promise<readonly string[]> {
  asked ??= ask()
  return asked
}

/**
 * Starts what any run needs, where a run may be possible, while Vitest has other things to do. A config is read by Vite alone as
 * well, and by tests: only Vitest itself needs it.
 */
export function warmUp(): void {
  if (process.env.VITEST === undefined || process.env.VITEST_WORKER_ID !== undefined) return
  if (process.platform === 'linux' && ARCHES.includes(process.arch)) prepareSpawner()
}

async function ask(): Promise<readonly string[]> {
  if (process.platform !== 'linux') return [`Linux: this is ${process.platform}`]
  if (!ARCHES.includes(process.arch)) return [`a processor of ${ARCHES.join(' or ')}: this is ${process.arch}`]
  try {
    const { missingSupport, probeKernel } = await import('../sys/probe.js')
    const { missingByYama, yamaFacts } = await import('../sys/yama.js')
    return [...missingSupport(probeKernel()), ...missingByYama(yamaFacts())]
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split('\n')
    return [
      `koffi, through which the kernel is called: ${reason}. Was it installed without optional dependencies, or for another system?`,
    ]
  }
}
