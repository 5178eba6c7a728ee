/**
 * koffi's prebuilt library for this processor, without the package `koffi`. That package has an install script, for
 * systems without such a build, and package managers that run no scripts by default end with an error when they meet
 * one.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import type koffiTypes from 'koffi'
import { codeOf } from '../errors.js'

const load = createRequire(import.meta.url)
const name = `@koromix/koffi-linux-${process.arch}`

/** The path of musl's loader: ldso/Makefile of musl, LDSO_PATHNAME. */
const MUSL = `/lib/ld-musl-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.so.1`

/**
 * Loads the library directly. The package itself would read Node's own program to tell one C library from another,
 * which takes longer than all the rest.
 */
function loaded(): unknown {
  if (existsSync(MUSL)) return load(name)
  try {
    return load(`${name}/linux_${process.arch}/koffi.node`)
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    // Another layout, or another C library after all: let the package itself report the fault.
    return load(name)
  }
}

// The cast: the library has koffi's own interface. The package only adds names that are no longer used.
export const koffi = loaded() as typeof koffiTypes
