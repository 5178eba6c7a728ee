import { readdirSync } from 'node:fs'
import type { BytePath } from '../../policy/request.js'
import { lookup } from '../../project/lookup.js'
import type { World } from './world.js'

/** The disk as it is now. A directory that cannot be listed has no names. */
export const disk: World = { lookup, names: namesIn }

function namesIn(dir: BytePath): readonly string[] | undefined {
  try {
    return readdirSync(Buffer.from(dir, 'latin1'), { encoding: 'latin1' })
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined
    throw error
  }
}
