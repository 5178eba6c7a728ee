/** Reports the state of sockets at the end of each run, where the broker cannot reach a worker's sockets. */
import type { Reporter, Vitest } from 'vitest/node'
import { NETWORK } from '../policy/manifest.js'
import { addReporter } from './end-of-run.js'
import type { ProjectPolicy } from './project-policy.js'
import { socketsHere } from './support.js'

const CAUSE = "this container's profile forbids pidfd_getfd(2)"
const MORE = 'docs/guide/docker.md says what allows it'

function socketsText(becameOfThem: 'refused' | 'left alone'): string {
  return becameOfThem === 'refused'
    ? ` seccomp  sockets were refused: ${CAUSE}. Everything else was confined as ever. ${MORE}.\n`
    : ` seccomp  SOCKETS WERE NOT CONFINED (unsafe: ['${NETWORK}']): ${CAUSE}. Everything else was. ${MORE}.\n`
}

class SocketsReporter implements Reporter {
  readonly kinds = new Set<'refused' | 'left alone'>()

  constructor(readonly vitest: Vitest) {}

  onTestRunEnd(): void {
    for (const kind of this.kinds) this.vitest.logger.error(socketsText(kind))
  }
}

const reporters = new WeakMap<Vitest, SocketsReporter>()

export function tellSockets({ options, project: { vitest } }: ProjectPolicy): void {
  if (socketsHere() === 'decided') return
  const reporter = reporters.get(vitest) ?? new SocketsReporter(vitest)
  reporters.set(vitest, reporter)
  reporter.kinds.add(options.unsafe.includes(NETWORK) ? 'left alone' : 'refused')
  addReporter(vitest, reporter)
}
