/** The package as npm would publish it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repository } from '../harness/confined.js'

export interface Packed {
  readonly tarball: Buffer
  readonly files: readonly string[]
  readonly packedBytes: number
  readonly unpackedBytes: number
}

/** `npm pack` of what is built: dist/ is there, because `npm test` builds first. */
export function pack(): Packed {
  const scratch = mkdtempSync(join(tmpdir(), 'pack-'))
  try {
    const said = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', scratch], {
      cwd: repository,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    // npm's own format: `npm help pack`, --json. npm 11 gives an object by name, older ones a list.
    const [one] = Object.values(
      JSON.parse(said) as Record<
        string,
        {
          readonly filename: string
          readonly size: number
          readonly unpackedSize: number
          readonly files: readonly { readonly path: string }[]
        }
      >,
    )
    if (one === undefined) throw new Error(`npm pack said nothing of a package: ${said}`)
    return {
      tarball: readFileSync(join(scratch, one.filename)),
      files: one.files.map(({ path }) => path),
      packedBytes: one.size,
      unpackedBytes: one.unpackedSize,
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
