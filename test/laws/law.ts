/**
 * A law: what must hold of anything that an arbitrary can make. `npm test` tries each for a number of cases, `npm run fuzz` the very
 * same for a time. The seed is fresh each time, except in CI, where a failure
 * should come of the change that is tried; it stands in the report, and LAW_SEED sets it.
 *
 *   LAW_SEED=123 npx vitest run test/policy/decide.laws.test.ts
 */
import { randomInt } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { test } from 'vitest'
import { SLOW } from '../slow.js'
import { pin, pinnedFor } from './pinned.js'

const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 0)
const LOG = process.env['FUZZ_LOG']
/** How long a counterexample may be made smaller, once one is found. */
const SHRINK_SECONDS = 60
/** Any number would do. */
const CI_SEED = 20_261_125
/** Between two cases at most, of the slowest law. */
const SLACK_MS = 60_000

export interface LawOptions {
  /** How many cases `npm test` tries. */
  readonly cases: number
}

type Arbitraries<T> = { readonly [K in keyof T]: fc.Arbitrary<T[K]> }

/** What was tried, a line of JSON in the file that FUZZ_LOG names. */
export interface Tried {
  readonly law: string
  readonly seed: number
  readonly cases: number
  readonly seconds: number
  readonly pinned?: string
}

export function law<T extends unknown[]>(
  title: string,
  options: LawOptions,
  given: Arbitraries<T>,
  holds: (...values: T) => void,
): void {
  register(title, options, given, (values) => fc.property(values, (args) => void holds(...args)))
}

/** For what has to be waited for, such as a live worker. One case after the other. */
export function liveLaw<T extends unknown[]>(
  title: string,
  options: LawOptions,
  given: Arbitraries<T>,
  holds: (...values: T) => Promise<void>,
): void {
  // When the time is over, fast-check waits for the last case no longer; whoever comes next would meet it.
  let last: Promise<void> = Promise.resolve()
  register(
    title,
    options,
    given,
    (values) =>
      fc.asyncProperty(values, (args) => {
        last = holds(...args)
        return last
      }),
    () => last,
  )
}

type Property<T> = fc.IAsyncProperty<[T]> | fc.IProperty<[T]>

function register<T extends unknown[]>(
  title: string,
  { cases }: LawOptions,
  given: Arbitraries<T>,
  propertyOf: (values: fc.Arbitrary<T>) => Property<T>,
  settled: () => Promise<void> = () => Promise.resolve(),
): void {
  test(
    title,
    async () => {
      const property = propertyOf(fc.tuple<T>(...given))
      const seed = Number(
        process.env['LAW_SEED'] ?? (process.env['CI'] === undefined || SECONDS > 0 ? randomInt(0x7fff_ffff) : CI_SEED),
      )
      const pinned = pinnedFor(title)
      // A pinned counterexample has the shape of what the arbitraries make: it came from them.
      const examples = pinned.map(({ values }): [T] => [values as T])
      const numRuns = examples.length + (SECONDS > 0 ? 1_000_000_000 : cases)
      const began = performance.now()
      const limit = SECONDS > 0 ? { interruptAfterTimeLimit: SECONDS * 1000, markInterruptAsFailure: false } : {}
      let run = await fc.check(property, { seed, numRuns, examples, ...limit })
      if (!run.failed) await settled()
      const tried = {
        law: title,
        seed,
        cases: Math.max(0, run.numRuns - examples.length),
        seconds: (performance.now() - began) / 1000,
      }
      if (!run.failed) return tell(tried)
      if (SECONDS > 0 && run.counterexamplePath !== null) {
        // The time for trying is no time for making smaller.
        const again = {
          seed,
          numRuns,
          examples,
          path: run.counterexamplePath,
          interruptAfterTimeLimit: SHRINK_SECONDS * 1000,
        }
        const smaller = await fc.check(property, again)
        if (smaller.failed && smaller.counterexample !== null) run = smaller
      }
      const report = (await fc.asyncDefaultReportMessage(run)) ?? 'failed'
      const file =
        SECONDS > 0 && run.counterexample !== null
          ? pin({ law: title, seed, path: run.counterexamplePath ?? '', values: run.counterexample[0], report })
          : undefined
      tell({ ...tried, ...(file === undefined ? {} : { pinned: file }) })
      throw new Error(`${title}\n${report}${file === undefined ? '' : `\npinned as ${file}`}`, {
        cause: run.errorInstance,
      })
    },
    240_000 * SLOW + (SECONDS > 0 ? (SECONDS + SHRINK_SECONDS) * 1000 + SLACK_MS : 0),
  )
}

function tell(tried: Tried): void {
  if (LOG !== undefined) appendFileSync(LOG, `${JSON.stringify(tried)}\n`)
}
