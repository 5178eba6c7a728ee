/**
 * Which worker runs what, and when: what Tinypool does for Vitest 3's own pool. Tinypool itself starts its processes by
 * child_process.fork, and takes no other kind: docs/decisions/0005-own-schedule-for-vitest-3.md.
 */

/** A worker that is up. */
export interface ScheduledWorker<J> {
  /** Runs one job to its end; resolves to the bytes of heap in use. One at a time. */
  run(job: J): Promise<number>
  /** Resolves once it has ended, for whatever reason. */
  readonly ended: Promise<void>
  /** Never rejects. */
  stop(): Promise<void>
}

export interface ScheduleOptions<J> {
  readonly min: number
  readonly max: number
  /** A worker for each job. */
  readonly isolate: boolean
  /** Keep `min` workers ready between runs. */
  readonly keepsReady: boolean
  /** Bytes of heap above which a worker that is shared by jobs is replaced. */
  readonly memoryLimit?: number
  /** Whose workers can run a job: they are not shared between kinds. */
  readonly kindOf: (job: J) => object
  /** `id`: from 1 to `max`, of no other worker that lives. */
  readonly start: (kind: object, id: number) => Promise<ScheduledWorker<J>>
}

/** A job that was still waiting when the run was cancelled. */
export class Cancelled extends Error {}

interface Task<J> {
  readonly job: J
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface Slot<J> {
  readonly id: number
  readonly kind: object
  readonly worker: Promise<ScheduledWorker<J>>
  isBusy: boolean
  /** It is replaced after the job that it runs. */
  isStale: boolean
  leaving?: Promise<void>
}

export class Schedule<J> {
  readonly #queue: Task<J>[] = []
  readonly #slots = new Set<Slot<J>>()
  #isClosed = false

  constructor(readonly options: ScheduleOptions<J>) {}

  /** Resolves after the job and, where its worker is not kept, after the worker's end. */
  run(job: J): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(new Cancelled('the pool is closed'))
      this.#queue.push({ job, resolve, reject })
      this.#next()
    })
  }

  /** Jobs that wait are rejected with `Cancelled`. */
  cancel(): void {
    for (const { reject } of this.#queue.splice(0)) reject(new Cancelled('the run was cancelled'))
  }

  /** Every worker is replaced: idle ones at once, the others after their jobs. */
  async recycle(): Promise<void> {
    const idle = [...this.#slots].filter((slot) => !slot.isBusy)
    for (const slot of this.#slots) slot.isStale = true
    await Promise.all(idle.map((slot) => this.#leave(slot)))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.cancel()
    await Promise.all([...this.#slots].map((slot) => this.#leave(slot)))
  }

  #next(): void {
    for (let task = this.#queue[0]; task !== undefined; task = this.#queue[0]) {
      const slot = this.#slotFor(this.options.kindOf(task.job))
      if (slot === undefined) return
      this.#queue.shift()
      slot.isBusy = true
      void this.#execute(slot, task)
    }
  }

  #slotFor(kind: object): Slot<J> | undefined {
    const idle = [...this.#slots].filter(({ isBusy, leaving }) => !isBusy && leaving === undefined)
    const fitting = idle.find((slot) => slot.kind === kind && !slot.isStale)
    if (fitting !== undefined) return fitting
    if (this.#slots.size < this.options.max) return this.#add(kind)
    // One that nobody uses makes room for one that can be used.
    const [other] = idle
    if (other !== undefined) void this.#leave(other).then(() => this.#next())
    return undefined
  }

  #add(kind: object): Slot<J> {
    const taken = new Set([...this.#slots].map(({ id }) => id))
    const id = Array.from({ length: this.options.max }, (_, index) => index + 1).find((free) => !taken.has(free)) ?? 1
    const slot: Slot<J> = { id, kind, worker: this.options.start(kind, id), isBusy: false, isStale: false }
    this.#slots.add(slot)
    slot.worker
      .then(({ ended }) => ended)
      .then(
        () => this.#ended(slot),
        () => this.#ended(slot),
      )
    return slot
  }

  /** By itself, or because it never came up. */
  #ended(slot: Slot<J>): void {
    if (slot.leaving !== undefined) return
    this.#slots.delete(slot)
    this.#next()
  }

  async #execute(slot: Slot<J>, { job, resolve, reject }: Task<J>): Promise<void> {
    const { isolate, memoryLimit = Infinity } = this.options
    let settle = resolve
    try {
      const used = await (await slot.worker).run(job)
      if (isolate || used > memoryLimit) slot.isStale = true
    } catch (error) {
      settle = () => reject(error)
      slot.isStale = true
    }
    if (slot.isStale) await this.#leave(slot)
    slot.isBusy = false
    this.#next()
    settle()
    this.#keepReady(slot)
  }

  /** Beyond `min`, an idle worker is let go; below, a new one is there before it is needed. */
  #keepReady({ kind }: Slot<J>): void {
    const { min, keepsReady } = this.options
    if (this.#isClosed || this.#queue.length > 0) return
    for (const slot of this.#slots) if (!slot.isBusy && this.#slots.size > min) void this.#leave(slot)
    if (keepsReady) while (this.#slots.size < min) this.#add(kind)
  }

  #leave(slot: Slot<J>): Promise<void> {
    slot.leaving ??= this.#stop(slot)
    return slot.leaving
  }

  async #stop(slot: Slot<J>): Promise<void> {
    try {
      const worker = await slot.worker.catch(() => undefined)
      await worker?.stop()
    } finally {
      this.#slots.delete(slot)
    }
  }
}
