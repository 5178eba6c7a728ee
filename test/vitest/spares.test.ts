import { describe, expect, test } from 'vitest'
import { Spares, type Machine, type Preparable } from '../../src/vitest/spares.js'
import type { WorkerLaunch } from '../../src/vitest/worker-process.js'

const launch = (env: Record<string, string> = {}): WorkerLaunch => ({
  execArgv: [],
  env,
  vitestDir: '/vitest',
  runner: 'file:///vitest/worker.js',
})

class Process implements Preparable {
  isUsable = true
  isDiscarded = false

  async discard(): Promise<void> {
    this.isDiscarded = true
  }
}

/** A project of so many files on a machine of so many cores; each start is over when the test says so. */
function scene(files: number, cores = 2, freeMemory = 2 ** 33, isWatching = false) {
  const all = Array.from({ length: files }, (_, file) => `${file}.test.ts`)
  const started: { readonly process: Process; readonly launch: WorkerLaunch; finish(): void; fail(): void }[] = []
  const ends: number[] = []
  const machine: Machine = { cores, busy: 0, freeMemory: () => freeMemory, hasPrestarted: false, keeper: undefined }
  const spares = new Spares<Process>(
    {
      start: (given) =>
        new Promise((resolve, reject) => {
          const process = new Process()
          started.push({
            process,
            launch: given,
            finish: () => resolve(process),
            fail: () => reject(new Error('no start')),
          })
        }),
      filesAhead: (_, begun) => all.filter((file) => !begun.has(file)).length,
      mayKeep: () => isWatching,
      ended: () => void ends.push(started.length),
    },
    machine,
  )
  const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
  /** Takes a process and begins with the file, whether the process was ready or is started now. */
  const run = async (file: number, given = launch()) => {
    const taken = spares.take(given)
    await settle()
    started.at(-1)?.finish()
    const turn = await taken
    turn.begin([`${file}.test.ts`])
    return turn
  }
  return { spares, machine, started, ends, settle, run }
}

describe('what is prepared', () => {
  test('while a file runs, the process for the next one starts, and is the one that is taken', async () => {
    const { spares, started, run, settle } = scene(3)
    const first = await run(0)
    expect(started).toHaveLength(2)
    started[1]?.finish()
    await settle()
    const second = await spares.take(launch())
    expect(second.process).toBe(started[1]?.process)
    first.rest()
    await first.end()
    expect(started[1]?.process.isDiscarded).toBe(false)
  })

  test('the end of the last one is told, before another is prepared for the next run', async () => {
    const { started, ends, run } = scene(2, 2, 2 ** 33, true)
    const first = await run(0)
    const second = await run(1)
    await first.end()
    expect(ends).toEqual([])
    const before = started.length
    await second.end()
    expect(ends).toEqual([before])
    expect(started).toHaveLength(before + 1)
  })

  test('one that is on its way is waited for, and no second one is started', async () => {
    const { spares, started, run } = scene(2)
    await run(0)
    const second = spares.take(launch())
    started[1]?.finish()
    expect((await second).process).toBe(started[1]?.process)
    expect(started).toHaveLength(2)
  })

  test('never more than there are files, taken processes among them', async () => {
    const { started, run, settle } = scene(1, 8)
    await run(0)
    await settle()
    expect(started).toHaveLength(1)
  })

  test('half as many as there are cores', async () => {
    const { started, run } = scene(9, 8)
    await run(0)
    expect(started).toHaveLength(1 + 4)
  })

  test('none beside one that is taken and about to run', async () => {
    const { spares, started, settle } = scene(3)
    spares.prestart(launch())
    const taken = spares.take(launch())
    await settle()
    started[0]?.finish()
    const turn = await taken
    await settle()
    expect(started).toHaveLength(1)
    turn.begin(['0.test.ts'])
    expect(started).toHaveLength(2)
  })

  test('none where every core has something to do, or memory is short', async () => {
    const one = scene(5, 1)
    await one.run(0)
    expect(one.started).toHaveLength(1)
    const short = scene(5, 4, 2 ** 20)
    await short.run(0)
    expect(short.started).toHaveLength(1)
  })

  test('a worker that is through leaves its core to the next one', async () => {
    const { started, run } = scene(5, 1)
    const turn = await run(0)
    turn.rest()
    expect(started).toHaveLength(2)
  })

  test('none after a worker that ended before its first file', async () => {
    const { spares, started, settle } = scene(3)
    const taken = spares.take(launch())
    await settle()
    started[0]?.finish()
    const turn = await taken
    turn.rest()
    await turn.end()
    expect(started).toHaveLength(1)
  })

  test('none after a start that failed, until one succeeds', async () => {
    const { spares, started, run, settle } = scene(5)
    const first = await run(0)
    started[1]?.fail()
    await settle()
    expect(started).toHaveLength(2)
    // The next one starts itself, gets the error, and prepares nothing either.
    const taken = spares.take(launch())
    await settle()
    started[2]?.fail()
    await expect(taken).rejects.toThrow('no start')
    await settle()
    expect(started).toHaveLength(3)
    first.rest()
    expect(started).toHaveLength(3)
    await run(1)
    expect(started).toHaveLength(5)
  })

  test('cores are counted for all projects together', async () => {
    const one = scene(5, 2)
    one.machine.busy = 1
    await one.run(0)
    expect(one.started).toHaveLength(1)
  })
})

describe('what is given', () => {
  test('a process of the very same launch, or a new one', async () => {
    const { spares, started, run, settle } = scene(3)
    await run(0, launch({ A: '1' }))
    started[1]?.finish()
    await settle()
    const other = spares.take(launch({ A: '2' }))
    await settle()
    started.at(-1)?.finish()
    expect((await other).process).not.toBe(started[1]?.process)
    expect(started.at(-1)?.launch.env).toEqual({ A: '2' })
  })

  test('no process that ended while it waited', async () => {
    const { spares, started, run, settle } = scene(2)
    await run(0)
    started[1]?.finish()
    await settle()
    if (started[1] !== undefined) started[1].process.isUsable = false
    const second = spares.take(launch())
    await settle()
    started[2]?.finish()
    expect((await second).process).toBe(started[2]?.process)
    expect(started[1]?.process.isDiscarded).toBe(true)
  })

  test('where one could not be prepared, a new one, whose failure is told', async () => {
    const { spares, started, run, settle } = scene(2)
    await run(0)
    started[1]?.fail()
    await settle()
    const second = spares.take(launch())
    await settle()
    started.at(-1)?.fail()
    await expect(second).rejects.toThrow('no start')
  })
})

describe('before any file is known of', () => {
  test('one is prepared, and is the one that is taken', async () => {
    const { spares, started, settle } = scene(2)
    spares.prestart(launch())
    expect(started).toHaveLength(1)
    started[0]?.finish()
    await settle()
    expect((await spares.take(launch())).process).toBe(started[0]?.process)
  })

  test('none on a single core, none where one is on its way or memory is short', () => {
    const one = scene(2, 1)
    one.spares.prestart(launch())
    expect(one.started).toHaveLength(0)
    const two = scene(2)
    two.spares.prestart(launch())
    two.spares.prestart(launch())
    expect(two.started).toHaveLength(1)
    const short = scene(2, 2, 2 ** 20)
    short.spares.prestart(launch())
    expect(short.started).toHaveLength(0)
  })

  test('one of all, not one for each project', async () => {
    const { spares, started, settle, machine } = scene(2)
    spares.prestart(launch())
    started[0]?.finish()
    await settle()
    let starts = 0
    const start = (): Promise<Process> => Promise.resolve(new Process()).finally(() => starts++)
    const other = new Spares<Process>({ start, filesAhead: () => 1, mayKeep: () => false, ended: () => {} }, machine)
    other.prestart(launch())
    await settle()
    expect(starts).toBe(0)
  })

  test('nobody came for it', async () => {
    const { spares, started, machine } = scene(2)
    spares.prestart(launch())
    const closed = spares.close()
    started[0]?.finish()
    await closed
    expect(started[0]?.process.isDiscarded).toBe(true)
    expect(machine.busy).toBe(0)
  })
})

describe('what is left', () => {
  test('nothing, once the last worker has ended: neither what was ready nor what was on its way', async () => {
    const { started, run, settle, machine } = scene(9, 4)
    const turn = await run(0)
    expect(started.length).toBeGreaterThan(2)
    started[1]?.finish()
    await settle()
    turn.rest()
    const ended = turn.end()
    for (const { finish } of started) finish()
    await ended
    expect(started.slice(1).map(({ process }) => process.isDiscarded)).toEqual(started.slice(1).map(() => true))
    expect(machine.busy).toBe(0)
  })

  test('a start that failed counts as a worker that has ended', async () => {
    const { spares, started, settle, machine } = scene(2)
    const first = spares.take(launch())
    await settle()
    started[0]?.fail()
    await expect(first).rejects.toThrow('no start')
    expect(machine.busy).toBe(0)
  })
})

describe('between the runs of watch mode', () => {
  const watching = (files: number) => scene(files, 2, 2 ** 33, true)

  test('one waits, and the next run takes it', async () => {
    const { spares, started, run, settle, machine } = watching(1)
    const turn = await run(0)
    turn.rest()
    await turn.end()
    expect(started).toHaveLength(2)
    started[1]?.finish()
    await settle()
    expect(started[1]?.process.isDiscarded).toBe(false)
    expect(machine.busy).toBe(0)
    expect((await spares.take(launch())).process).toBe(started[1]?.process)
    expect(started).toHaveLength(2)
  })

  test('it is one that was prepared for a file that did not come', async () => {
    const { started, run } = watching(3)
    const turn = await run(0)
    started[1]?.finish()
    turn.rest()
    await turn.end()
    expect(started).toHaveLength(2)
    expect(started[1]?.process.isDiscarded).toBe(false)
  })

  test('one of all projects, of the last that ran', async () => {
    const one = watching(1)
    const other = watching(1)
    const shared = new Spares<Process>(other.spares.source, one.machine)
    const first = await one.run(0)
    await first.end()
    one.started[1]?.finish()
    await one.settle()
    const taken = shared.take(launch())
    await one.settle()
    other.started[0]?.finish()
    const second = await taken
    second.begin(['0.test.ts'])
    await second.end()
    expect(one.started[1]?.process.isDiscarded).toBe(true)
    expect(other.started).toHaveLength(2)
    expect(other.started[1]?.process.isDiscarded).toBe(false)
  })

  test('none where memory is short, or the last start failed', async () => {
    const short = scene(1, 2, 2 ** 20, true)
    const turn = await short.run(0)
    await turn.end()
    expect(short.started).toHaveLength(1)
    const failing = watching(2)
    const first = await failing.run(0)
    failing.started[1]?.fail()
    await failing.settle()
    await first.end()
    expect(failing.started).toHaveLength(2)
  })

  test('none once Vitest closes, whether the last worker ends before or after', async () => {
    const before = watching(1)
    const first = await before.run(0)
    await first.end()
    const closed = before.spares.close()
    before.started[1]?.finish()
    await closed
    expect(before.started[1]?.process.isDiscarded).toBe(true)
    const after = watching(1)
    const second = await after.run(0)
    await after.spares.close()
    await second.end()
    expect(after.started).toHaveLength(1)
  })
})
