/** Files that the build made beside this folder. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { hostArch } from '../sys/host.js'
import type { WorkerFilter } from '../syscalls/baseline.js'

/** The path of a bundle of its own, which starts faster than a tree of modules. */
export function builtFile(name: string): string {
  return fileURLToPath(new URL(`../threads/${name}`, import.meta.url))
}

/** A filter in the kernel's format: one of syscalls/filter.ts, compiled when the package was built. */
export function builtFilter(of: WorkerFilter | 'seal' | 'spawner'): Buffer {
  return readFileSync(new URL(`../filters/${of}.${hostArch()}.bpf`, import.meta.url))
}
