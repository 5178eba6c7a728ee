/**
 * The files of variables in a worker's arguments: --env-file of node(1). Node would read them before the filter, and load
 * what NODE_OPTIONS in them names. So they are read here, and the worker gets their variables without the files.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import util from 'node:util'
import { isEarly } from '../broker/early-code.js'
import { codeOf, WorkerStartError } from '../errors.js'
import { splitOption } from '../project/node-options.js'

type Variables = Readonly<Record<string, string>>

interface WithoutFiles {
  readonly argv: readonly string[]
  readonly env: Variables
  /** Variables that mean something only after the filter: as the worker is born, Node reads the others too late for them. */
  readonly later: Variables
}

/** `given`: the worker's variables, which go before those of files. */
export function takeEnvFiles(args: readonly string[], given: Variables, cwd: string): WithoutFiles {
  const argv: string[] = []
  const found: Record<string, string> = {}
  const rest = [...args]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [name, inline] = splitOption(arg)
    if (name !== '--env-file' && name !== '--env-file-if-exists') argv.push(arg)
    else Object.assign(found, variablesIn(resolve(cwd, inline ?? rest.shift() ?? ''), name === '--env-file-if-exists'))
  }
  const added = Object.entries(found).filter(([name]) => given[name] === undefined)
  const isLater = ([name]: readonly [string, string]): boolean => name !== 'NODE_OPTIONS' && isEarly(name)
  return {
    argv,
    env: { ...given, ...Object.fromEntries(added.filter((one) => !isLater(one))) },
    later: Object.fromEntries(added.filter(isLater)),
  }
}

function variablesIn(path: string, mayBeMissing: boolean): Variables {
  try {
    // The cast: Node's types allow for variables without a value, which no file has.
    return util.parseEnv(readFileSync(path, 'utf8')) as Variables
  } catch (error) {
    if (mayBeMissing && codeOf(error) === 'ENOENT') return {}
    throw new WorkerStartError(
      'options',
      `--env-file=${path}: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}
