/** The end of a broker process, with all that it has started. */
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'
import { killTagged } from './process-tag.js'

const TAG = 'vitest-pool-seccomp tag'

/**
 * Notes for all threads that this process has this tag. Where another broker's process started it, it keeps the tag of
 * that one, which is not for it to end.
 */
export function noteTag(tag: number): void {
  setEnvironmentData(TAG, tag)
}

/** Ends this process. Not exit(), which waits for threads that load and then ends them. SIGKILL does neither. */
export function endAlone(): void {
  process.kill(process.pid, 'SIGKILL')
}

/** Ends this process, and before it what it has started and not ended in time, whoever its parent is by now. */
export function endWithStarted(): void {
  try {
    const tag = getEnvironmentData(TAG)
    if (typeof tag === 'number') killTagged(tag)
  } finally {
    endAlone()
  }
}
