/** A config for Vitest 3 type-checks where only that version is installed: no type of the package is another version's. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { repository } from '../../harness/confined.js'

const FILES = {
  'plugin.ts': `import { defineConfig } from 'vitest/config'
import { ManifestError, seccomp, type SeccompMeta, type SeccompOptions } from 'vitest-pool-seccomp'
const options: SeccompOptions = { maxForks: 2, manifest: { read: ['a/'] } }
// @ts-expect-error there is no such option
seccomp({ maxFroks: 2 })
export const used = [ManifestError, {} as SeccompMeta]
export default defineConfig({ plugins: [seccomp(options)] })`,
  'pool.ts': `import { defineConfig } from 'vitest/config'
import pool from 'vitest-pool-seccomp/vitest3'
export const used = pool
export default defineConfig({
  test: { pool: 'vitest-pool-seccomp/vitest3', poolOptions: { seccomp: { maxForks: 2, manifest: { read: ['a/'] } } } },
})`,
}

test('with the types of Vitest 3', async () => {
  const root = mkdtempSync(join(tmpdir(), 'types-3-'))
  try {
    symlinkSync(join(repository, 'fixtures/vitest3/node_modules'), join(root, 'node_modules'))
    for (const [name, text] of Object.entries(FILES)) writeFileSync(join(root, name), text)
    writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
    const types = { types: ['node'], typeRoots: [join(repository, 'node_modules/@types')] }
    writeFileSync(
      join(root, 'tsconfig.json'),
      JSON.stringify({
        // Declarations are checked, too: an export that is not there would else be any.
        compilerOptions: {
          module: 'NodeNext',
          target: 'ES2022',
          strict: true,
          noEmit: true,
          skipLibCheck: false,
          ...types,
        },
        files: Object.keys(FILES),
      }),
    )
    const said = await promisify(execFile)(process.execPath, [
      join(repository, 'node_modules/typescript/bin/tsc'),
      '-p',
      root,
    ]).then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) => stdout,
    )
    // Those of other packages are not all sound.
    expect(said.split('\n').filter((line) => /^[^ ]*(?:vitest-pool-seccomp|plugin\.ts|pool\.ts)/.test(line))).toEqual(
      [],
    )
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
