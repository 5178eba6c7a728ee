/**
 * koffi's prebuilt library for this processor, without the package `koffi` around it: that one has an install script, for systems that
 * have no such build, and package managers that run none by default end with an error where they meet one.
 */
import { createRequire } from 'node:module'
import type koffiTypes from 'koffi'

const load = createRequire(import.meta.url)
// The library has koffi's own interface: what the package adds to it are names that are no longer used.
export const koffi = load(`@koromix/koffi-linux-${process.arch}`) as typeof koffiTypes
