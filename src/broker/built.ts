/** Files that the build made beside this folder. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { hostArch } from '../sys/host.js'
import type { WorkerFilter } from '../syscalls/baseline.js'

/** Built beside this folder, as bundles of their own: they start faster than a tree of modules. */
export function builtFile(name: string): string {
  return fileURLToPath(new URL(`../threads/${name}`, import.meta.url))
}

/** A filter as the kernel takes it: those of syscalls/filter.ts, compiled when the package was built. */
export function builtFilter(of: WorkerFilter | 'seal' | 'spawner'): Buffer {
  return readFileSync(new URL(`../filters/${of}.${hostArch()}.bpf`, import.meta.url))
}
