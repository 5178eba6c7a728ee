import { version } from 'vitest/node'
import { adapterFor } from './index.js'

/** The adapter for the version of Vitest that runs. */
export const thisVitest = adapterFor(version)
