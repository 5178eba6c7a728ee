import { fileURLToPath } from 'node:url'

/** dist/: this file is one level below it, by itself as well as in a bundle. */
export const dist = fileURLToPath(new URL('..', import.meta.url))
