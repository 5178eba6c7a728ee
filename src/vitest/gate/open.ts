/** Opens the gate for a worker, with the parts that the gates of a project and of a run share. */
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestProject, Vitest } from 'vitest/node'
import { TMP_NAME } from '../../broker/tmp.js'
import type { AccessEvent } from '../../policy/event.js'
import { coveredBy } from '../../policy/lists.js'
import { manifestsOf } from '../../policy/manifest.js'
import type { PolicyData } from '../../policy/policy.js'
import { implies } from '../../policy/rules.js'
import { ruleFor } from '../../project/lookup.js'
import type { Mark } from '../../protocol.js'
import { failRun } from '../exit-code.js'
import type { ProjectPolicy } from '../project-policy.js'
import { realTmpdir } from '../tmpdir.js'
import { thisVitest } from '../versions/running.js'
import { errorOf } from '../violation-text.js'
import type { Violation } from '../violations.js'
import { guardCoverage } from './coverage-files.js'
import { Gate } from './gate.js'
import type { GateProject } from './project.js'
import { gateProject } from './vite-project.js'
import { Writes } from './writes.js'

interface GateNeeds {
  readonly policy: ProjectPolicy
  /** The policy at first. */
  readonly data: PolicyData
  reply(message: object): void
  describe(event: AccessEvent): Violation | undefined
  record(event: AccessEvent): void
  running(): Promise<Mark | undefined>
  readonly keepsLedger: boolean
}

export function openGate({ policy, data, reply, describe, record, running, keepsLedger }: GateNeeds): Gate {
  const { project, writes } = sharedOf(policy)
  return new Gate(
    {
      project,
      methods: thisVitest.methods,
      writes,
      reply,
      record,
      running,
      keepsLedger,
      describe(event) {
        const violation = describe(event)
        return violation === undefined ? event.outcome : errorOf([violation], 'test').message
      },
      failRun: () => failRun(policy.project.vitest),
      keep: (copy) => void keptOf(policy.project.vitest).add(copy),
    },
    data,
  )
}

interface Shared {
  readonly project: GateProject
  readonly writes: Writes
}

const shared = new WeakMap<TestProject, Shared>()
const runs = new WeakMap<Vitest, Writes>()
const heard = new WeakSet<Vitest['state']>()
const kept = new WeakMap<Vitest, Set<string>>()

function sharedOf(policy: ProjectPolicy): Shared {
  const { project } = policy
  for (const each of policy.together) addAll(writesIn(project.vitest), each)
  const made = watchProject(policy)
  guardCoverage(project.vitest, made.project, made.writes)
  return made
}

function writesIn(vitest: Vitest): Writes {
  const writes = runs.get(vitest) ?? new Writes(join(realTmpdir(), TMP_NAME))
  runs.set(vitest, writes)
  // In watch mode, a changed config brings another state, and Vitest has forgotten who listens. A run begins.
  if (heard.has(vitest.state)) return writes
  heard.add(vitest.state)
  writes.beginRun()
  vitest.onTestsRerun(() => writes.beginRun())
  return writes
}

/** Watches what Vitest's own process loads for a project from now on. */
export function watchProject(policy: ProjectPolicy): Shared {
  const { project, root, workspace } = policy
  const writes = writesIn(project.vitest)
  addAll(writes, policy)
  const known = shared.get(project)
  if (known !== undefined) return known
  const made = {
    project: gateProject(
      project,
      [root, workspace, ...policy.runtimeTrees],
      policy.coverageDir,
      writes,
      policy.options.env,
    ),
    writes,
  }
  shared.set(project, made)
  return made
}

/**
 * Adds the places that any test file of a project may write, including files that have not run yet: they may have run
 * in an earlier run.
 */
function addAll(writes: Writes, policy: ProjectPolicy): void {
  if (areAdded.has(policy)) return
  areAdded.add(policy)
  addManifests(writes, policy)
  const { reportsDir } = policy
  if (reportsDir !== undefined) writes.add({ lists: [[ruleFor(reportsDir, COVERAGE)]] })
}

/** The places that the options of a project let any of its tests write. */
export function writesOf(policy: ProjectPolicy, tmpPrefix: string): Writes {
  const writes = new Writes(tmpPrefix)
  addManifests(writes, policy)
  return writes
}

function addManifests(writes: Writes, policy: ProjectPolicy): void {
  const { root, options } = policy
  writes.add(policy.grantsOfAny(`${writes.tmpPrefix}none`))
  writes.addBeside(
    root,
    manifestsOf(options)
      .flatMap(coveredBy)
      .flatMap((covered) => (covered.kind === 'path' && implies(covered.access, 'write') ? [covered.grant] : []))
      .filter(({ effect, anchor }) => effect === 'grant' && anchor === 'file'),
  )
}

/** Workers of Vitest 5 write their coverage there, and files of an earlier run may still be there. */
const COVERAGE = { access: 'write', shape: 'tree', at: 'base', reason: 'coverage data' } as const

const areAdded = new WeakSet<ProjectPolicy>()

/** The copies for the end of the run. They are removed when Vitest closes, or at the latest when this process ends. */
function keptOf(vitest: Vitest): Set<string> {
  const known = kept.get(vitest)
  if (known !== undefined) return known
  const copies = new Set<string>()
  kept.set(vitest, copies)
  const remove = (): void => {
    for (const copy of copies) rmSync(dirname(copy), { recursive: true, force: true })
    copies.clear()
  }
  vitest.onClose(remove)
  process.once('exit', remove)
  return copies
}
