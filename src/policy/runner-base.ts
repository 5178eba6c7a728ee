/**
 * The base grants of a confined Vitest, besides those of every worker (base.ts): a manifest with a reason for each
 * line. Pure. Grants that only a project's own plugins need belong in the `runner` part of its manifest file.
 */
import type { Entry, Manifest } from './manifest.js'
import { SECRETS } from './path-grants.js'

interface RunnerFacts {
  /** The environment files that Vite loads by its mode, relative to the root. */
  readonly envFiles: readonly string[]
  /** Absolute paths: `node`, and the bundlers' own programs in this project. */
  readonly programs: readonly { readonly path: string; readonly why: string }[]
  /** Absolute paths of the `node_modules` directories, where installed packages keep their caches. */
  readonly nodeModules: readonly string[]
  /** Those of them that belong to the root and its projects, and to no directory above. */
  readonly ownModules: readonly string[]
  /**
   * Directories on the way to the files that Vitest reads: the gate opens such a file one directory after the other.
   */
  readonly ways: readonly string[]
  /** The directory where programs keep the user's data: XDG_DATA_HOME. */
  readonly userData: string
  /** The directories on the way to `userData` that do not exist. */
  readonly missing: readonly string[]
  /** Those of REPORTS that Vitest may write. */
  readonly reports: readonly string[]
  /** Places that Vitest writes: absolute, directories with a slash at the end. */
  readonly outputs: readonly { readonly entry: string; readonly why: string }[]
  readonly ports: readonly { readonly option: string; readonly port: number }[]
  /** True for a Vite before 6, which writes a bundled config beside the config. */
  readonly bundlesBesideConfig: boolean
}

/**
 * The places of Vitest below `node_modules`, and of bundled configs for as long as they are loaded. Caches that others read
 * are not here, because what is written there would run in them unconfined: those of `vite` itself (`.vite/deps`), and
 * of Vitest without `run` (`.vitest-cache`), which has the modules of `globalSetup`, too.
 */
const CACHES = ['.vite-temp/*.timestamp-*.mjs']

/**
 * Places of what a run keeps for the next one of its root. A run of a directory above would run these modules by the
 * grants of another manifest, and one without this package would write through a link that lies there.
 */
const OWN_CACHES = ['.vite/vitest/', '.vitest/', '.vitest-seccomp/']

/** Directories in which Vitest finds its caches. The run makes them, because nobody may put a link in their place. */
export const DIRS_OF_CACHES = ['.vite', '.vite-temp']

/** Directories where Vitest's coverage, reports and attachments go by default. */
export const REPORTS = ['coverage/', 'html/', '.vitest/', '.vitest-reports/', '.vitest-attachments/']

const CODE = '{js,mjs,cjs,jsx,ts,mts,cts,tsx}'

/**
 * Names by which others find what they run, wherever it lies: test files, mocks, configs, packages, a repository of git or
 * Mercurial. Reports hold pages and data, and no such name. `node --test`, Jest (`testspec.js`), tap (`tests.js`), Ava, Deno and
 * Bun take more names for tests than Vitest, and Jest a file in any `__mocks__` for the package of its name; pytest, which also
 * runs the examples in `test*.txt`, Go, .NET, dune, Nx, Bazel, Pants and Buck look through the whole workspace, too, and pnpm
 * for packages. Language servers, and Nx, open the projects of Cargo, Maven, Gradle and .NET that they find, and run their
 * builds. Python takes a directory in which it starts, such as `html`, for a package of that name before its own. Linters and
 * formatters load the modules that the settings in a directory name; cosmiconfig looks for these in `.config/` as well. Agents do
 * what the instructions and skills say that lie beside a file which they read.
 */
const RUN_BY_NAME = [
  `**/{.git,.hg,package.{json,json5,yaml},project.json,.*rc,.*rc.*,.*.{json,jsonc,yaml,yml,toml},*.*.${CODE}}`,
  `**/{{cspell,tslint,*.config}.{json,jsonc,yaml,yml,toml},.config/*rc,.config/*rc.{json,yaml,yml,js,cjs,mjs,ts}}`,
  `**/{+(test|spec)?(s),bench,test[-_]*,spec[-_]*,*[-_]test,*[-_]spec,*_bench}.${CODE}`,
  `**/{test,tests,spec,specs,__tests__,__test__,__mocks__}/**/*.${CODE}`,
  '**/{__{init,main}__.*,conftest.py,test*.{py,txt},*_test.py,*.{go,cs,vb,cshtml,razor},dune,{BUILD,BUCK,TARGETS},{BUILD,BUCK,TARGETS}.*}',
  '**/{{CLAUDE,AGENT,GEMINI,QWEN,SKILL}*.md,.*rules,*.mdc,.{agents,claude,cursor,codex,gemini,github,husky,devcontainer,vscode,idea,zed}}',
  '**/{Cargo.toml,pom.xml,{build,settings}.{gradle,gradle.kts},build.{rs,sbt},*.{cs,fs,vb}proj,Directory.*.{props,targets},CMakeLists.txt,Package.swift,mix.exs,Gemfile,*.gemspec,{Docker,Container,Make,Rake}file}',
]

export function runnerBase({
  envFiles,
  programs,
  nodeModules,
  ownModules,
  ways,
  userData,
  missing,
  reports,
  outputs,
  ports,
  bundlesBesideConfig,
}: RunnerFacts): Manifest {
  const because =
    (why: string) =>
    (entry: string): Entry => ({ entry, why })
  return {
    list: ways.map((dir) => `${dir === '/' ? '' : dir}/`).map(because('the way to the project and its packages')),
    read: [
      ...['<root>/', '<workspace>/'].map(because('config, sources and tests, which Vite serves')),
      ...[`!${SECRETS}`, '!/**/.git/'].map(because('secrets of the project are no source')),
      ...envFiles.map(because('environment files, which Vite loads by its mode')),
    ],
    write: [
      ...['<tmp>/'].map(because('its own temporary directory, and those of its workers')),
      ...reports.map(because("where Vitest's coverage, reports and attachments go by default")),
      ...[...placesIn(nodeModules, CACHES), ...placesIn(ownModules, OWN_CACHES)].map(
        because('caches of Vitest and of this package'),
      ),
      // As Vite calls it, and not as others call a test file, which they would run.
      ...(bundlesBesideConfig ? ['*.timestamp-+([0-9])-+([0-9a-f]).mjs', '!{test,spec}[-_]*'] : []).map(
        because('the config as Vite 5 bundles it'),
      ),
      ...outputs,
      ...[...reports, ...outputs.map(({ entry }) => entry).filter((entry) => entry.endsWith('/'))]
        .flatMap((dir) => RUN_BY_NAME.map((name) => `!${dir}${name}`))
        .map(because('a report is not run by anybody who finds it by its name')),
    ],
    deny: [
      // Vitest would create the missing directories one by one. Each has an entry of its own, so that a refusal of
      // anything else there is a violation.
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

function placesIn(dirs: readonly string[], names: readonly string[]): readonly string[] {
  return dirs.flatMap((dir) => names.map((name) => `${dir}/${name}`))
}
