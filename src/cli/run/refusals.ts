/**
 * Collects the refusals of a confined run, which the broker reports without going through Vitest. They give the text at
 * the end, and decide if the run fails.
 */
import { relative } from 'node:path'
import type { AccessEvent } from '../../policy/event.js'
import { showName } from '../../policy/message.js'
import type { SuggestContext } from '../../policy/suggest.js'
import { violationOf, type Violation } from '../../vitest/violations.js'
import { dist } from '../dist.js'

interface RefusalsContext {
  readonly suggest: SuggestContext
  /** The path as it is shown. */
  readonly manifestFile: string
  readonly audit: boolean
  /** True for a port on which Vitest may listen at some address. */
  readonly mayListen: (port: number) => boolean
}

/** The number of refusals that are shown in full. */
const SHOWN = 20

export class Refusals {
  readonly #context: RefusalsContext
  readonly #runner = new Map<string, { readonly violation: Violation; stack: string }>()
  readonly #faults = new Set<string>()
  #ofWorkers = 0

  constructor(context: RefusalsContext) {
    this.#context = context
  }

  add(of: 'runner' | 'worker', event: AccessEvent): void {
    const { suggest, audit, mayListen } = this.#context
    if (of === 'runner' && isProbe(event, mayListen)) return
    const violation = violationOf(event, { suggest, mode: audit ? 'audit' : 'enforce' })
    if (violation === undefined) return
    // The event comes a second time, with the place of the call.
    if (of === 'worker') this.#ofWorkers += event.site === undefined ? 1 : 0
    else {
      const known = this.#runner.get(violation.message) ?? { violation, stack: '' }
      known.stack ||= event.site?.stack ?? ''
      this.#runner.set(violation.message, known)
    }
  }

  fault(detail: string): void {
    this.#faults.add(detail)
  }

  get failRun(): boolean {
    return !this.#context.audit && (this.#runner.size > 0 || this.#ofWorkers > 0 || this.#faults.size > 0)
  }

  /** The text; empty if nothing was refused. */
  text(): string {
    const { manifestFile, audit } = this.#context
    const all = [...this.#runner.values()]
    const shown = all.slice(0, SHOWN).map(({ violation, stack }) => describe(violation, stack))
    const more = all.length > SHOWN ? [`  … and ${all.length - SHOWN} more`] : []
    return [
      ...(all.length === 0
        ? []
        : [
            ` seccomp  ${audit ? 'Of Vitest itself no grant covers' : "Refused to Vitest itself, which runs the config's plugins, reporters and globalSetup"}` +
              ` (the manifest below is the part "runner" of ${manifestFile}):`,
            ...shown,
            ...more,
          ]),
      ...(this.#ofWorkers > 0 && !audit
        ? [
            ` seccomp  ${this.#ofWorkers} ${this.#ofWorkers === 1 ? 'refusal' : 'refusals'} of tests; the run fails whatever Vitest says of it`,
          ]
        : []),
      ...[...this.#faults].slice(0, SHOWN).map((detail) => ` seccomp  ${showName(detail)}`),
    ]
      .map((line) => `${line}\n`)
      .join('')
  }
}

/**
 * True where Vite 8 tries a port on every address, to see if another server has it there. It is refused, and Vite goes
 * on with the address that it was told.
 */
function isProbe(event: AccessEvent, mayListen: (port: number) => boolean): boolean {
  if (event.outcome !== 'denied' || event.request.kind !== 'socket' || event.request.access !== 'listen') return false
  const { address } = event.request
  return address.family === 'inet' && isWildcard(address.host) && mayListen(address.port)
}

/** True for the addresses that stand for all of the machine. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function describe({ message }: Violation, stack: string): string {
  const lines = stack
    .split('\n')
    .filter((line) => /^\s*at /.test(line) && !/\((?:node|file):?internal|\bnode:/.test(line))
    // The pool, which stands between Vitest and node:fs.
    .filter((line) => !line.includes(dist))
    .map((line) => showName(line.trim()))
    .slice(0, 4)
  const by = lines.map(whose).find((name) => name !== undefined)
  return [message, ...(by === undefined ? [] : [`  by: ${by}`]), ...lines.map((line) => `    ${line}`)].join('\n')
}

/**
 * The package of a stack's line, the innermost of nested ones, or else the project's own file; undefined for a line
 * without a file.
 */
function whose(line: string): string | undefined {
  const names = [...line.matchAll(/node_modules\/((?:@[^/]+\/)?[^/.][^/]*)/g)].map(([, name]) => name)
  const [, path] = /(?:^at |\()(?:file:\/\/)?(\/.+?):\d+:\d+\)?$/.exec(line) ?? []
  return names.at(-1) ?? (path === undefined ? undefined : relative(process.cwd(), path))
}
