import { randomUUID } from 'node:crypto'
import { isTag } from './process-tag.js'

/** The prefix of workers' private directories, in the directory for temporary files. */
export const TMP_NAME = 'vitest-seccomp-'

/**
 * A new name for a private directory. With the tag of the broker process that makes it, the next run knows whose
 * processes to end if that broker was killed: its lock on the directory is gone by then.
 */
export function newTmpName(tag: number | undefined): string {
  const random = randomUUID().slice(-12)
  return tag === undefined ? `${TMP_NAME}${random}` : `${TMP_NAME}${tag.toString(36)}_${random}`
}

/** The tag in the name of a private directory; undefined if there is none that a broker process could have. */
export function tagIn(name: string): number | undefined {
  const [, text = ''] = /^vitest-seccomp-([0-9a-z]+)_/.exec(name) ?? []
  const tag = Number.parseInt(text, 36)
  return isTag(tag) ? tag : undefined
}
