/** In watch mode on a terminal, one key adds the refusals of the run to the manifest file, as `u` updates snapshots. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import type { Vitest } from 'vitest/node'
import { packageDir } from '../project/root.js'

/**
 * A key that Vitest does not use: packages/vitest/src/node/stdin.ts of Vitest 3, 4 and 5. It is no character that a
 * terminal answers with: a test can have it asked for its name, whose letters come in as keys.
 */
const KEY = { text: '\x13', name: 'Ctrl+S' }
/**
 * The name of Vitest's own listener. Vitest removes it while it asks for a pattern: then the key is part of the text.
 */
const VITESTS = 'keypressHandler'

const listening = new WeakSet<Vitest>()
/** The manifest files that the key would add to. */
const offered = new WeakMap<Vitest, readonly string[]>()

/** Offers the key. Called after each run, with no `files` where nothing can be accepted. */
export function offerAccept(vitest: Vitest, files: readonly string[]): void {
  offered.set(vitest, files)
  if (files.length === 0 || !vitest.config.watch || !process.stdin.isTTY) return
  vitest.logger.log(` seccomp  press ${KEY.name} to add what is not dangerous to ${files.join(', ')}\n`)
  if (listening.has(vitest)) return
  listening.add(vitest)
  process.stdin.on('keypress', (text: unknown) => {
    if (text === KEY.text && isVitestListening()) accept(vitest)
  })
}

function isVitestListening(): boolean {
  return process.stdin.listeners('keypress').some(({ name }) => name === VITESTS)
}

/** Runs the command. Vitest reruns the tests when the manifest file has changed. */
function accept(vitest: Vitest): void {
  if ((offered.get(vitest) ?? []).length === 0) return
  offered.set(vitest, [])
  const { root } = vitest.config
  execFile(
    process.execPath,
    [join(packageDir, 'cli/bin.js'), 'accept', '--all', '--root', root],
    { cwd: root },
    (_error, stdout, stderr) => vitest.logger.log(`${stdout}${stderr}`),
  )
}
