/**
 * Every time limit of the package, in milliseconds, with the reason for its length. A machine may be ten times slower
 * than the one this was written on: an emulator, a CI runner with every core busy. So a limit that ends a run or loses
 * something is as long as Vitest's own, or longer; one that only chooses another way may be short.
 */

/**
 * One stage of a worker's start. Vitest waits 90 s for the whole start (WORKER_START_TIMEOUT, its pool.ts) and then
 * says only that it waited: this limit comes just before, and names the stage. It starts anew with each stage, so only
 * Vitest gives up a start that makes progress.
 */
export const STAGE_MS = 80_000

/**
 * The wait for Vitest's API to listen, after a change of the config in watch mode: plugins may prepare something first.
 * As long as a stage of a start, which it comes before.
 */
export const LISTENING_MS = 80_000

/** The worker's wait for its broker. The broker's own limits are shorter, so only an orphan reaches this one. */
export const BROKER_SILENCE_MS = 120_000

/**
 * The wait for the broker's answer to `acquire` and the like. The broker waits for nothing but the other end of a
 * connection.
 */
export const ANSWER_MS = 30_000

/**
 * The wait, at the end of the process, for threads that still load: koffi aborts the process if one of them is ended
 * meanwhile. They load within some tens of ms, on an emulator within some seconds.
 */
export const LOADING_MS = 30_000

/** From SIGTERM to SIGKILL, as in Vitest's forks pool (SIGKILL_TIMEOUT, its pool.ts). */
export const TERMINATE_MS = 500

/** The same for the unconfined processes of Vitest 3, whose pool gives tests a second to end (tinypool). */
export const TERMINATE_PLAIN_MS = 1000

/**
 * From the end of a worker to the end of its last process. Beyond, the processes that are left are looked for and
 * killed.
 */
export const HANG_UP_MS = 200

/**
 * The wait until everything that a worker left behind is dead. Each process is killed at once, and dies when the
 * machine has the time for it; one that forks meanwhile is found in the next round.
 */
export const CLEAR_AWAY_MS = 2000

/**
 * The time spent at a stretch on orphans that fork, while the thread does nothing else. The next round finds those that
 * are left.
 */
export const CHASE_MS = 100

/**
 * The wait until the output of a dead worker is read. It has arrived already, and so has its end, unless a live process
 * holds the other end of the stream: none does once the worker's processes are gone.
 */
export const OUTPUT_MS = 1000

/**
 * The time after which a handle is sent again, until it is acknowledged: Node silently drops one if the receiver has no
 * descriptor left.
 */
export const HANDOVER_MS = 500
/** Attempts to hand over a socket. A runner that takes none in so many (20 s) will not take one. */
export const HANDOVERS = 40

/**
 * The time to end the workers and remove their directories, once the runner is gone. What is left dies with the broker
 * process.
 */
export const BROKER_END_MS = 1500

/** The time in which the broker's main thread must end the process once the runner is gone; then a thread ends it. */
export const MAIN_THREAD_END_MS = 1000

/**
 * The time in which a helper of a broker thread must load. Then the calls that wait for it are made by the broker
 * thread itself, and hold up others.
 */
export const HELPER_MS = 10_000

/** The idle time after which a broker thread ends. The next start then has to load one. */
export const IDLE_THREAD_MS = 30_000

/*
 * Intervals of repeated checks, which end nothing. A shorter one would cost CPU time; a longer one would make a test
 * wait.
 */

/** One round of clearing away what a worker left behind: the time that killed processes have to be gone. */
export const ROUND_MS = 10

/**
 * The interval at which a blocked request is retried that no event reports, such as a FIFO's open. This is its latency;
 * it costs nothing if none is blocked.
 */
export const RETRY_MS = 4

/** The longest time that the kept data of a waiting call may outlive its thread. */
export const GONE_MS = 20

/** The longest time that a port may stay taken after the last socket that was connected to it is closed. */
export const LEASE_MS = 100

/** The interval at which a dropped call is looked for at the end of its thread: a helper that still loads tells nothing. */
export const SETTLE_MS = 10

/** The interval at which an idle broker thread wakes up. Work wakes it at once. */
export const IDLE_LOOK_MS = 1000

/**
 * The time that a broker thread waits for another one's lock before it serves others and asks again: far more than a
 * rename takes.
 */
export const LOCK_MS = 2

/** The time for which installed packages are not checked again while workers come and go. */
export const TRUSTED_MS = 2000

/**
 * The time for which the broker's main thread compiles modules before it looks at other work: a worker's start waits at
 * most this long, and for the module that is being compiled.
 */
export const COMPILE_SLICE_MS = 4

/**
 * The wait of a connect that is not to wait, for room in the queue of a TCP listener of the test's own: another thread
 * may accept. Beyond, it fails with ENOBUFS.
 */
export const QUEUE_FULL_MS = 20
