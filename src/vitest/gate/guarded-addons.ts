/** Keeps Vitest's own process from loading an addon that a test may have written: its code runs as it is loaded. */
import { resolve } from 'node:path'
import { walk } from './walk.js'

/** Guards process.dlopen() for the rest of this process's life. `mayHold`: true if a test may put something at a path. */
export function guardAddons(mayHold: (path: string) => boolean): void {
  const { dlopen } = process
  process.dlopen = (...args) => {
    const [, name] = args
    const { real, links } = walk(resolve(name))
    // By the place, not by what is there now: that may change before it is loaded.
    const place = [real, ...links].find(mayHold)
    if (place !== undefined)
      throw new Error(`Vitest's own process does not load the addon ${name}: tests may write ${place}`)
    return dlopen.apply(process, args)
  }
}
