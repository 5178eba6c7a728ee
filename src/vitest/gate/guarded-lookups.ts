/**
 * Keeps calls that list a directory, or tell where a name leads, from going through a link that a test may have made.
 * Whoever asks where such a link leads would read or write there by a name without links.
 */
import fs from 'node:fs'
import { heldPlace } from './guarded-places.js'
import { functionsOf, nameOf, replace, withCallback, type NodeFunction } from './node-fs.js'

const LOOKUPS = ['opendir', 'readdir', 'readlink', 'realpath']

/** Wraps Node's own functions, which every module of this process shares. */
export function guardLookups(): void {
  const [plain, promises] = [functionsOf(fs), functionsOf(fs.promises)]
  for (const name of LOOKUPS) {
    replace(plain, `${name}Sync`, synchronous)
    replace(plain, name, withErrorBack)
    replace(promises, name, (original) => async (...args) => {
      check(args)
      return original(...args)
    })
  }
  replace(functionsOf(fs.realpathSync), 'native', synchronous)
  replace(functionsOf(fs.realpath), 'native', withErrorBack)
}

function synchronous(original: NodeFunction): NodeFunction {
  return function (...args) {
    check(args)
    return original.apply(this, args)
  }
}

function withErrorBack(original: NodeFunction): NodeFunction {
  return withCallback(original, (args) => {
    check(args)
    return undefined
  })
}

function check([path]: readonly unknown[]): void {
  const name = nameOf(path)
  if (name !== undefined) heldPlace(name, 'look')
}
