import type { ParsedLists } from './lists.js'
import type { AccessRequest } from './request.js'
import type { ParsedResource, ResourceEntry } from './resource-entries.js'

/**
 * The grants of tests. Everything that no entry covers is refused.
 *
 * A path entry is one of
 * - `dir/`: the directory and everything below it (the slash makes the difference);
 * - `file`: that one file. It need not exist yet;
 * - a glob such as `src/**\/*.json`: `* ? [ ] { }` and groups such as `@(a|b)`; dots match. `**` spans directories, also
 *   beside a group; `[!a]` is any character but `a`; `{1..12}` are numbers. `!(a)` is at the end of an exclusion only.
 *   Nothing escapes a glob character: write `[[]` for a bracket, `?` for any other;
 * - `!` and one of these: an exclusion. It carves out of the other entries of its own list only. The longest match
 *   wins; an exclusion glob wins over everything but the exact name of a file. It holds by any name that some file system
 *   takes for the excluded one: in another case, say. One in `read`, and an entry of `deny`, holds for imports as well.
 *
 * It is relative to the Vitest root (`../` may lead out of it), absolute, or starts with `<root>/`, `<workspace>/`,
 * `<tmp>/` (a private temporary directory of the worker, also TMPDIR), `<home>/` or `<file>/` (the directory of the
 * test file). Symbolic links in an entry are resolved once, when the run starts.
 */
export interface Manifest {
  /**
   * Directories whose names may be seen, but nothing of the files that bear them: to open the directory for reading, or
   * to watch it. `dir/` is that one directory, a glob such as `packages/**\/` every directory that it matches. Programs
   * that look for a project's top directory open the directories above it: `list: ['/', '<home>/']`.
   */
  readonly list?: readonly Entry[]
  /** Paths to read: content of files, names in directories. */
  readonly read?: readonly Entry[]
  /** Paths to create, change, rename and remove. Includes reading. */
  readonly write?: readonly Entry[]
  /**
   * Programs that may be run: a name that is looked for along PATH (`git`), or a path entry (`./scripts/seed.sh`). What
   * a program starts in turn, and a script's interpreter, need entries of their own.
   */
  readonly exec?: readonly Entry[]
  /**
   * Addresses that may be connected or sent to: `tcp:host:port`, `udp:host:port`, `unix:/path` (or a glob, or
   * `unix:<tmp>/x.sock`), `unix:@abstract-name`. A host is a name, an address (`[::1]` in brackets), a network
   * (`10.0.0.0/8`), `localhost` (127.0.0.0/8 and ::1) or `*`; a port is a number, a range (`8000-8100`) or `*`.
   */
  readonly connect?: readonly Entry[]
  /** Addresses that may be listened on, written as in `connect`. Port 0 stands for any free port. */
  readonly listen?: readonly Entry[]
  /**
   * Paths that are refused without a violation, whatever else is granted: for files that a program only asks for in
   * passing, such as `.env` or `<home>/.npmrc`. They seem not to exist, and cannot be made; with `as: 'forbidden'`
   * using them fails with EACCES. As for an exclusion, the longest match wins. `<secrets>` stands for all names under
   * which secrets are known to lie. Refused in audit mode, too.
   */
  readonly deny?: readonly DenyEntry[]
  /**
   * Presets: manifests by name, for programs that many tests use: `git`, `npm`, `fontconfig`, `sqlite:data/test.db`,
   * `postgres`, `docker`, `playwright`. `npx vitest-seccomp explain --preset git` prints one.
   */
  readonly use?: readonly string[]
  /**
   * Resources that tests get by name, with `acquire('name')` of `vitest-pool-seccomp/client`, without knowing where
   * they are. The name is the grant, for the descriptor that `acquire` gives: neither the path nor the address is
   * granted for anything else. A name in `files` overrides the same name in `manifest`.
   */
  readonly resources?: { readonly [name: string]: ResourceEntry }
}

/**
 * Returns the manifest unchanged, with a type that knows its resources: for `ResourcesOf` of
 * `vitest-pool-seccomp/client`.
 */
export function defineManifest<const M extends Manifest>(manifest: M): M {
  return manifest
}

/** One entry of a list, alone or with the reason for it (JSON has no comments). */
export type Entry = string | { readonly entry: string; readonly why: string }

/** An entry of `deny`: a path, alone or with a reason and the way in which it is refused. */
export type DenyEntry = string | { readonly entry: string; readonly why?: string; readonly as?: 'absent' | 'forbidden' }

/** The path of the manifest file where no option names one, relative to the Vitest root. */
export const MANIFEST_FILE = './seccomp.manifest.json'

/** The content of a manifest file: these two options, written as in the config. */
export interface ManifestFile {
  readonly $schema?: string
  readonly manifest?: Manifest
  readonly files?: { readonly [glob: string]: Manifest }
  /**
   * The grants of Vitest's own process and everything that runs in it: config, plugins, `globalSetup`, reporters. They
   * apply where `vitest-seccomp run` confines that process; `npx vitest` does not confine it.
   */
  readonly runner?: Omit<Manifest, 'resources'>
}

/** The options of `seccompPool()`. */
export interface PoolOptions {
  /**
   * The grants of every test file. Default: nothing but what Node and Vitest need to run a test. A string is the path of a
   * JSON file, relative to the Vitest root, with `manifest` and `files` in it; its `files` and the config's both apply.
   */
  readonly manifest?: Manifest | string
  /** More grants for some test files: by a glob on the test file's path, relative to the Vitest root. */
  readonly files?: { readonly [glob: string]: Manifest }
  /** `enforce` refuses what the manifest does not cover; `audit` refuses nothing and records it. Default: `enforce`. */
  readonly mode?: 'enforce' | 'audit'
  /** The effect of a violation on its test file, even where the code under test caught the error. Default: `fail`. */
  readonly onViolation?: 'fail' | 'warn'
  /**
   * The behavior where the kernel cannot confine a worker. `error` refuses to start; `warn` runs the tests unconfined
   * and says so in every run. Default: `error`.
   */
  readonly onUnsupported?: 'error' | 'warn'
  /** The look of a refused path to the test: EACCES, or as if it did not exist (ENOENT). Default: `eacces`. */
  readonly denied?: 'eacces' | 'hide'
  /**
   * The environment of workers and the programs that they start. `pass` names the variables that are passed on from
   * Vitest's own environment, also by globs such as `npm_*`; a worker always gets PATH, the variables that Vitest sets
   * itself, and those of `test.env`. Default: everything.
   */
  readonly env?: { readonly pass: readonly string[] }
  /**
   * A report of everything that the test files used, as a page for people and as JSON for `vitest-seccomp report`.
   * Paths are relative to the Vitest root. The run also warns of places that several files used at the same time.
   * Default: none.
   */
  readonly report?: { readonly html?: string; readonly json?: string }
  /**
   * The effect of descriptors that a test file opens and leaves open at its end: `warn` reports them, `fail` fails the
   * file. Default: `off`.
   */
  readonly leaks?: 'off' | 'warn' | 'fail'
  /**
   * Promises to give up, each by its name. `exec-without-landlock`: on a kernel without Landlock, `exec` grants work,
   * but a hostile test can run any program, by changing the path after the broker has decided on it. `network`: in a
   * container whose profile forbids pidfd_getfd(2), sockets are allowed instead of refused, so that a test can reach
   * everything that the container can. Default: none.
   */
  readonly unsafe?: readonly Unsafe[]
}

export const EXEC_WITHOUT_LANDLOCK = 'exec-without-landlock'
export const NETWORK = 'network'

/** Promises that can be given up where a machine cannot keep them. Where a machine can, they are kept all the same. */
export const UNSAFE = [EXEC_WITHOUT_LANDLOCK, NETWORK] as const
export type Unsafe = (typeof UNSAFE)[number]

/** The list whose entries allow an access. */
export const LIST_FOR = {
  look: 'read',
  list: 'list',
  read: 'read',
  content: 'write',
  write: 'write',
  move: 'write',
  execute: 'exec',
  connect: 'connect',
  listen: 'listen',
} as const satisfies { readonly [A in AccessRequest['access']]: keyof ParsedLists }

/** A manifest whose entries have been parsed, but not yet looked up on disk. */
export type ParsedManifest = ParsedLists & {
  /** The presets by name. Their entries are in the lists as well. */
  readonly use: readonly { readonly source: string }[]
  readonly resources: readonly ParsedResource[]
}

/** The options with every default filled in. */
export interface ParsedOptions {
  readonly manifest: ParsedManifest
  readonly files: readonly ParsedFiles[]
  /** The path of the manifest file. Until `withManifestFile` has read it, `manifest` grants nothing. */
  readonly manifestFile?: string
  /** The `runner` part of the manifest file: the grants of Vitest's own process where it is confined. */
  readonly runner?: ParsedManifest
  readonly mode: 'enforce' | 'audit'
  readonly onViolation: 'fail' | 'warn'
  readonly onUnsupported: 'error' | 'warn'
  readonly denied: 'eacces' | 'hide'
  readonly env?: { readonly pass: readonly string[] }
  readonly report?: { readonly html?: string; readonly json?: string }
  readonly leaks: 'off' | 'warn' | 'fail'
  readonly unsafe: readonly Unsafe[]
}

/** A manifest for the test files that a glob matches. */
export interface ParsedFiles {
  readonly glob: string
  readonly manifest: ParsedManifest
  /** The manifest file that holds it; none for the config. */
  readonly from?: string
}

/** All manifests of the options: the one for every test file, and those for some. */
export function manifestsOf({ manifest, files }: Pick<ParsedOptions, 'manifest' | 'files'>): readonly ParsedManifest[] {
  return [manifest, ...files.map((entry) => entry.manifest)]
}
