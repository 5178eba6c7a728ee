/** Keeps Vitest's own process from loading an addon that a test may have written: its code runs as it is loaded. */
import { spelled, walk } from './walk.js'

/** Guards process.dlopen() for the rest of this process's life. `isOfTest`: true if a test may have put something at a path. */
export function guardAddons(isOfTest: (path: string) => boolean): void {
  const { dlopen } = process
  process.dlopen = (...args) => {
    const [, name] = args
    const { real, links } = walk(spelled(name))
    const place = [real, ...links].find(isOfTest)
    if (place !== undefined)
      throw new Error(`Vitest's own process does not load the addon ${name}: a test may have written ${place}`)
    return dlopen.apply(process, args)
  }
}
