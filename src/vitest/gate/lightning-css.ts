/** Loads Lightning CSS where no reads are judged: as it is loaded, it looks for the libc of this process. */
import { createRequire } from 'node:module'
import { codeOf } from '../../errors.js'

/** `vite`: the path of the Vite that uses it. */
export function loadLightningCss(vite: string): void {
  try {
    createRequire(vite)('lightningcss')
  } catch (error) {
    // Vite itself says so.
    if (codeOf(error) !== 'MODULE_NOT_FOUND') throw error
  }
}
