import { fileURLToPath } from 'node:url'

/** The directory dist/. This file lies one level below it, by itself and in a bundle. */
export const dist = fileURLToPath(new URL('..', import.meta.url))
