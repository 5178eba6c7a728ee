/** Compiles the programs in native/, once per run. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('native/', import.meta.url))

/** Paths of the programs, or in words why there are none. */
export function compileNative(directory) {
  const compiler = ['gcc', 'cc', 'clang'].find(
    (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
  )
  if (compiler === undefined) return 'no C compiler here (gcc, cc, clang): nothing is compared with a broker in C'
  const made = {}
  for (const name of ['broker', 'operations', 'interrupted']) {
    made[name] = join(directory, name)
    const { status, stderr } = spawnSync(
      compiler,
      ['-O2', '-Wall', '-pthread', '-o', made[name], join(here, `${name}.c`)],
      { encoding: 'utf8' },
    )
    if (status !== 0) return `${name}.c does not compile here: ${stderr}`
  }
  return made
}
