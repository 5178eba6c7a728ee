/** Which worker runs what, over workers that are only promises. */
import { expect, test } from 'vitest'
import { Cancelled, Schedule, type ScheduledWorker, type ScheduleOptions } from '../../../src/vitest/v3/schedule.js'

interface Job {
  readonly name: string
  readonly kind: object
}

/** Jobs end when they are told to; what happens is written down. */
class House {
  readonly log: string[] = []
  readonly #ends = new Map<string, { readonly end: (memory: number) => void; readonly fail: (error: Error) => void }>()
  readonly #deaths = new Map<number, () => void>()
  readonly schedule: Schedule<Job>

  constructor(options: Partial<ScheduleOptions<Job>> = {}) {
    this.schedule = new Schedule<Job>({
      min: 1,
      max: 2,
      isolate: true,
      keepsReady: false,
      kindOf: ({ kind }) => kind,
      start: (_, id) => this.#start(id),
      ...options,
    })
  }

  #start(id: number): Promise<ScheduledWorker<Job>> {
    this.log.push(`start ${id}`)
    const ended = new Promise<void>((resolve) => void this.#deaths.set(id, resolve))
    return Promise.resolve({
      ended,
      run: ({ name }) => {
        this.log.push(`${name} on ${id}`)
        return new Promise<number>((end, fail) => void this.#ends.set(name, { end, fail }))
      },
      stop: () => {
        this.log.push(`stop ${id}`)
        this.#deaths.get(id)?.()
        return Promise.resolve()
      },
    })
  }

  async end(name: string, memory = 0): Promise<void> {
    this.#ends.get(name)?.end(memory)
    await settled()
  }

  async fail(name: string): Promise<void> {
    this.#ends.get(name)?.fail(new Error(`${name} failed`))
    await settled()
  }

  async die(id: number): Promise<void> {
    this.#deaths.get(id)?.()
    await settled()
  }
}

const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
const one = { name: 'one' }
const other = { name: 'other' }
const job = (name: string, kind: object = one): Job => ({ name, kind })

test('a worker for each job, at most as many as may be, each id of one worker at a time', async () => {
  const it = new House()
  const done = ['a', 'b', 'c'].map((name) => it.schedule.run(job(name)))
  await settled()
  expect(it.log).toEqual(['start 1', 'start 2', 'a on 1', 'b on 2'])
  await it.end('b')
  expect(it.log.slice(4)).toEqual(['stop 2', 'start 2', 'c on 2'])
  await it.end('a')
  await it.end('c')
  await Promise.all(done)
  expect(it.log.slice(7)).toEqual(['stop 1', 'stop 2'])
})

test('a job that is over has its worker behind it', async () => {
  const it = new House()
  const done = it.schedule.run(job('a')).then(() => it.log.push('done'))
  await settled()
  await it.end('a')
  await done
  expect(it.log).toEqual(['start 1', 'a on 1', 'stop 1', 'done'])
})

test('shared workers are kept for the next job, and replaced above the memory limit', async () => {
  const it = new House({ isolate: false, max: 1, memoryLimit: 100 })
  const done = ['a', 'b', 'c'].map((name) => it.schedule.run(job(name)))
  await settled()
  await it.end('a', 100)
  await it.end('b', 101)
  await it.end('c')
  await Promise.all(done)
  expect(it.log).toEqual(['start 1', 'a on 1', 'b on 1', 'stop 1', 'start 1', 'c on 1'])
  await it.schedule.recycle()
  expect(it.log.at(-1)).toBe('stop 1')
})

test('beyond the least number an idle worker is let go', async () => {
  const it = new House({ isolate: false, min: 1, max: 2 })
  const done = ['a', 'b'].map((name) => it.schedule.run(job(name)))
  await settled()
  await it.end('a')
  await it.end('b')
  await Promise.all(done)
  await settled()
  expect(it.log.filter((line) => line.startsWith('stop'))).toHaveLength(1)
})

test('workers are not shared between kinds: an idle one of another kind makes room', async () => {
  const it = new House({ isolate: false, max: 1 })
  const first = it.schedule.run(job('a'))
  await settled()
  await it.end('a')
  await first
  const second = it.schedule.run(job('b', other))
  await settled()
  expect(it.log).toEqual(['start 1', 'a on 1', 'stop 1', 'start 1', 'b on 1'])
  await it.end('b')
  await second
})

test('a job that fails rejects, its worker is replaced, and the others go on', async () => {
  const it = new House({ isolate: false, max: 1 })
  const [bad, good] = [it.schedule.run(job('bad')), it.schedule.run(job('good'))]
  await settled()
  const told = expect(bad).rejects.toThrow('bad failed')
  await it.fail('bad')
  await told
  await it.end('good')
  await good
  expect(it.log).toEqual(['start 1', 'bad on 1', 'stop 1', 'start 1', 'good on 1'])
})

test('a worker that does not come up fails its job only', async () => {
  let starts = 0
  const sound = new House({ max: 1 })
  const it = new Schedule<Job>({
    ...sound.schedule.options,
    start: (kind, id) =>
      ++starts === 1 ? Promise.reject(new Error('no start')) : sound.schedule.options.start(kind, id),
  })
  const [bad, good] = [it.run(job('bad')), it.run(job('good'))]
  await expect(bad).rejects.toThrow('no start')
  await settled()
  await sound.end('good')
  await good
  expect(sound.log).toEqual(['start 1', 'good on 1', 'stop 1'])
})

test('an idle worker that dies is forgotten', async () => {
  const it = new House({ isolate: false, max: 1 })
  const first = it.schedule.run(job('a'))
  await settled()
  await it.end('a')
  await first
  await it.die(1)
  const second = it.schedule.run(job('b'))
  await settled()
  await it.end('b')
  await second
  expect(it.log).toEqual(['start 1', 'a on 1', 'start 1', 'b on 1'])
})

test('cancel rejects what waits, and lets what runs come to its end', async () => {
  const it = new House({ max: 1 })
  const [running, waiting] = [it.schedule.run(job('a')), it.schedule.run(job('b'))]
  await settled()
  const told = expect(waiting).rejects.toThrow(Cancelled)
  it.schedule.cancel()
  await told
  await it.end('a')
  await running
  expect(it.log).toEqual(['start 1', 'a on 1', 'stop 1'])
})

test('recycle replaces idle workers at once, and a busy one after its job', async () => {
  const it = new House({ isolate: false })
  const done = ['a', 'b'].map((name) => it.schedule.run(job(name)))
  await settled()
  await it.end('a')
  await it.schedule.recycle()
  expect(it.log.slice(4)).toEqual(['stop 1'])
  await it.end('b')
  await Promise.all(done)
  expect(it.log.slice(5)).toEqual(['stop 2'])
})

test('between runs as many workers are ready as are asked for, and close ends them', async () => {
  const it = new House({ min: 2, keepsReady: true })
  const done = it.schedule.run(job('a'))
  await settled()
  await it.end('a')
  await done
  await settled()
  expect(it.log).toEqual(['start 1', 'a on 1', 'stop 1', 'start 1', 'start 2'])
  await it.schedule.close()
  expect(it.log.slice(5).sort()).toEqual(['stop 1', 'stop 2'])
  await expect(it.schedule.run(job('late'))).rejects.toThrow(Cancelled)
})
