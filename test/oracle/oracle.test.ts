/** What the kernel says that Vitest's own process opens while hostile workers run: a part of scripts/oracle/run.mjs. */
import { execFile, spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'

const repository = resolve(import.meta.dirname, '../..')
const missing = spawnSync('strace', ['-V']).status === 0 ? undefined : 'strace is not installed'

async function oracle(config: string, only: readonly string[], ...more: readonly string[]): Promise<string> {
  const args = ['scripts/oracle/run.mjs', '--config', config, '--only', `{${only.join(',')}}`, ...more]
  const run = promisify(execFile)(process.execPath, args, { cwd: repository, timeout: 200_000 })
  const { stdout } = await run.catch((error: unknown) => error as { readonly stdout: string })
  return stdout
}

describe.skipIf(missing !== undefined)(
  `Vitest's own process (${missing === undefined ? 'live' : `missing: ${missing}`})`,
  () => {
    test('opens nothing that is on no list, whatever a worker asks for', async () => {
      const names = ['package-json-in-tmp', 'glob-in-own-file', 'source-map-sources']
      expect(await oracle('plain', names)).toContain(`${names.length} programs, 0 bad`)
    })

    test('nor when coverage looks for what no test has imported', async () => {
      expect(await oracle('coverage', ['coverage-of-planted-files', 'coverage-through-link'])).toContain(
        '2 programs, 0 bad',
      )
    })

    test("in Vitest's own pool the same is seen: it shows something", async () => {
      const shown = await oracle('plain', ['fetch-raw', 'glob-in-own-file'], '--stock')
      expect(shown).toContain('2 programs, 2 bad')
      expect(shown).toMatch(/\/outside\/secrets\/secret\.txt$/m)
      expect(shown).toMatch(/\/outside\/secrets$/m)
    })
  },
)
