/**
 * koffi's prebuilt library for this processor, without the package `koffi` around it: that one has an install script, for systems that
 * have no such build, and package managers that run none by default end with an error where they meet one.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import type koffiTypes from 'koffi'
import { codeOf } from '../errors.js'

const load = createRequire(import.meta.url)
const name = `@koromix/koffi-linux-${process.arch}`

/** Where musl's loader is: ldso/Makefile of musl, LDSO_PATHNAME. */
const MUSL = `/lib/ld-musl-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.so.1`

/** The package itself reads Node's own program to tell one C library from another, which takes longer than all the rest. */
function loaded(): unknown {
  if (existsSync(MUSL)) return load(name)
  try {
    return load(`${name}/linux_${process.arch}/koffi.node`)
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    // Laid out in another way, or another C library after all: whatever is wrong, the package says it in its own words.
    return load(name)
  }
}

// The library has koffi's own interface: what the package adds to it are names that are no longer used.
export const koffi = loaded() as typeof koffiTypes
