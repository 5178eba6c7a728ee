/** The named resources that would give what a request asks for. */
import { compilePolicy } from './compile.js'
import { decide } from './decide.js'
import type { AccessRequest } from './request.js'
import { ownPolicy, type Resource } from './resources.js'

/**
 * The names of the resources that cover a request. A resource grants only its own descriptor, so the request stays
 * refused; a message can point to the name.
 */
export function namesFor(request: AccessRequest, resources: readonly Resource[]): readonly string[] {
  return resources.filter(({ use }) => decide(compilePolicy(ownPolicy(use)), request).allowed).map(({ name }) => name)
}

/** One line of a message for each name. */
export function byName(names: readonly string[]): readonly string[] {
  return names.map((name) => `  a test gets it by name: acquire('${name}')`)
}
