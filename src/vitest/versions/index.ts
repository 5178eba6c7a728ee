/** The versions of Vitest that have an adapter. */
import type { VitestAdapter } from './adapter.js'
import { v3 } from './v3.js'
import { v4 } from './v4.js'
import { v5 } from './v5.js'

/** The adapters by major version. */
export const ADAPTERS: { readonly [major: string]: VitestAdapter } = { 3: v3, 4: v4, 5: v5 }

export const TESTED: readonly string[] = Object.values(ADAPTERS).flatMap(({ tested }) => tested)

/**
 * The adapter of an unknown version: that of the newest version, but without methods, so no test runs (see
 * checkMethods).
 */
const UNKNOWN: VitestAdapter = { ...v5, tested: [], methods: {} }

/** The adapter for a version as Vitest states it, such as `5.1.0-beta.2`. */
export function adapterFor(version: string): VitestAdapter {
  const [major = ''] = version.split('.')
  return (Object.hasOwn(ADAPTERS, major) ? ADAPTERS[major] : undefined) ?? UNKNOWN
}
