import { version } from 'vitest/node'
import { adapterFor } from './index.js'

/** The adapter for the Vitest that runs. */
export const thisVitest = adapterFor(version)
