/** The named resources that would give what a request asks for. */
import { compilePolicy } from './compile.js'
import { decide } from './decide.js'
import type { AccessRequest } from './request.js'
import { ownPolicy, type Resource } from './resources.js'

/** A resource gives its descriptor, and nothing that its name does not say: the refusal of the request stands. */
export function namesFor(request: AccessRequest, resources: readonly Resource[]): readonly string[] {
  return resources.filter(({ use }) => decide(compilePolicy(ownPolicy(use)), request).allowed).map(({ name }) => name)
}

/** As a line of a message. */
export function byName(names: readonly string[]): readonly string[] {
  return names.map((name) => `  a test gets it by name: acquire('${name}')`)
}
