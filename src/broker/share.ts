/** The part of the broker's descriptors that one worker may keep. */
import { availableParallelism } from 'node:os'

/**
 * `most`, or less where a process may have few descriptors (`files`): as many workers as there are processors, and a
 * spare, use up half of them for one of two purposes. The main thread needs some to end a worker and to start another.
 */
export function shareOf(most: number, files: number, processors = availableParallelism()): number {
  return Math.min(most, Math.floor(files / (4 * (processors + 1))))
}
