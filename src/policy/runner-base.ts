/**
 * The grants of a confined Vitest without an entry, beside those of every worker (base.ts): as a manifest with a reason for each line.
 * Pure. What only a project's own plugins need stands in the `runner` part of its manifest file.
 */
import type { Entry, Manifest } from './manifest.js'
import { SECRETS } from './path-grants.js'

interface RunnerFacts {
  /** `vitest --mode`; `test` by default. Vite loads environment files by it. */
  readonly mode: string
  /** Absolute: `node`, and the bundlers' own programs of this project. */
  readonly programs: readonly { readonly path: string; readonly why: string }[]
  /** Where installed packages keep what they make: absolute. */
  readonly nodeModules: readonly string[]
  /** Directories on the way to what it reads: the gate opens what it reads by one directory after the other. */
  readonly ways: readonly string[]
  /** Where programs keep data of the user: XDG_DATA_HOME. */
  readonly userData: string
  /** Directories on the way there that do not exist. */
  readonly missing: readonly string[]
  /** The files that Vitest writes by the command line: absolute. */
  readonly outputs: readonly string[]
  readonly ports: readonly { readonly option: string; readonly port: number }[]
}

/** Directories of Vitest's and Vite's own below `node_modules`. */
const CACHES = ['.vite', '.vite-temp', '.vitest', '.vitest-cache', '.experimental-vitest-cache', '.vitest-seccomp']

export function runnerBase({
  mode,
  programs,
  nodeModules,
  ways,
  userData,
  missing,
  outputs,
  ports,
}: RunnerFacts): Manifest {
  const because =
    (why: string) =>
    (entry: string): Entry => ({ entry, why })
  return {
    list: ways.map((dir) => `${dir === '/' ? '' : dir}/`).map(because('the way to the project and its packages')),
    read: [
      ...['<root>/', '<workspace>/'].map(because('config, sources and tests, which Vite serves')),
      ...[`!${SECRETS}`, '!<workspace>/.git/', '!<root>/.git/'].map(because('secrets of the project are no source')),
      ...['.env', '.env.local', `.env.${mode}`, `.env.${mode}.local`].map(
        because('environment files, which Vite loads by its mode'),
      ),
    ],
    write: [
      ...['<tmp>/'].map(because('its own temporary directory, and those of its workers')),
      ...['coverage/', 'html/', '.vitest/', '.vitest-reports/', '.vitest-attachments/'].map(
        because("where Vitest's coverage, reports and attachments go by default"),
      ),
      ...nodeModules
        .flatMap((dir) => CACHES.map((name) => `${dir}/${name}/`))
        .map(because('caches of Vite, of Vitest and of this package')),
      ...['*.timestamp-*.mjs'].map(because('the config as Vite bundles it')),
      ...outputs.map(because('the command line names it')),
    ],
    deny: [
      // Those that are not there it would make one by one. Each by itself: what else lies there is refused aloud.
      ...missing.map((entry) => ({
        entry,
        why: "on the way to where Vitest 5 keeps its API's token",
        as: 'forbidden' as const,
      })),
      {
        entry: `${userData}/vitest/`,
        why: "Vitest 5 keeps its API's token there, or else below node_modules",
        as: 'forbidden',
      },
    ],
    exec: programs.map(({ path, why }) => ({ entry: path, why })),
    listen: ports.map(({ option, port }) => ({ entry: `tcp:localhost:${port}-${port + 10}`, why: option })),
  }
}
