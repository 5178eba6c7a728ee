/** Files and directories that Vitest is to write, as the command line or the text of a config names them. Pure. */
import { posix } from 'node:path'
import { hasMagic } from '../../policy/glob.js'

export interface NamedOutput {
  /** As it is written there. */
  readonly path: string
  readonly shape: 'file' | 'tree'
}

/** `option`: `outputFile`, `outputFile.html`, `coverage.reportsDirectory` and the like. */
export function outputOf(option: string, path: string): NamedOutput {
  if (!option.startsWith('outputFile')) return { path, shape: 'tree' }
  // The page comes with files beside it.
  const dir = posix.dirname(path)
  return option === 'outputFile.html' && dir !== '.' ? { path: dir, shape: 'tree' } : { path, shape: 'file' }
}

const TEXT = String.raw`(['"\x60])([^'"\x60\n]+)`
const OUTPUT_FILE = new RegExp(String.raw`\boutputFile['"]?\s*:\s*(?:${TEXT}\1|\{([^{}]*)\})`, 'g')
const OF_REPORTER = new RegExp(String.raw`([\w-]+)['"]?\s*:\s*${TEXT}\2`, 'g')
const DIRECTORY = new RegExp(String.raw`\b(reportsDirectory|attachmentsDir)['"]?\s*:\s*${TEXT}\2`, 'g')

/**
 * The outputs that a config names by a literal. Its text is the user's own: nothing of it has run, and nothing in a run may change
 * it. Only ordinary places below the root count. For the others there are entries.
 */
export function outputsIn(config: string): readonly NamedOutput[] {
  const files = [...config.matchAll(OUTPUT_FILE)].flatMap(([, , path, each]) =>
    path === undefined
      ? [...(each ?? '').matchAll(OF_REPORTER)].map(([, reporter, , one = '']) =>
          outputOf(`outputFile.${reporter}`, one),
        )
      : [outputOf('outputFile', path)],
  )
  const directories = [...config.matchAll(DIRECTORY)].map(([, option = '', , path = '']) => outputOf(option, path))
  return [...files, ...directories].filter(({ path }) => isOrdinary(path))
}

function isOrdinary(path: string): boolean {
  const names = posix.normalize(path).split('/')
  const isBelow = !path.startsWith('/') && names[0] !== '..' && names[0] !== '.'
  return (
    isBelow && !hasMagic(path) && !path.includes('${') && !names.some((name) => /^(?:\.git|node_modules)$/i.test(name))
  )
}
