/**
 * Every time after which the package stops waiting, in milliseconds, and why it is that long. A machine may be ten times slower than
 * the one this was written on: an emulator, a CI runner with every core busy. So what ends a run or loses something is longer than
 * Vitest's own patience, or as long as Vitest's; what only goes another way may be short.
 */

/**
 * One stage of a worker's start, without the next beginning. Vitest waits 90 s for the whole start (WORKER_START_TIMEOUT, its
 * pool.ts) and then says only that it waited: this comes just before, and says where the start stands. Each stage that begins
 * starts it anew, so a start that goes on is given up by Vitest alone.
 */
export const STAGE_MS = 80_000

/** The worker's own wait for its broker, while the broker has limits of its own: longer than theirs. Only an orphan comes to it. */
export const BROKER_SILENCE_MS = 120_000

/** An answer of the broker's, to `acquire` and its like. It waits for nothing but the other end of a connection. */
export const ANSWER_MS = 30_000

/**
 * Threads that still load when the process ends: koffi aborts the process where one is ended meanwhile. They load within
 * some tens of ms, on an emulator within some seconds.
 */
export const LOADING_MS = 30_000

/** From SIGTERM to SIGKILL, as in Vitest's forks pool (SIGKILL_TIMEOUT, its pool.ts). */
export const TERMINATE_MS = 500

/** The same for the unconfined processes of Vitest 3, whose pool gives tests a second to end (tinypool). */
export const TERMINATE_PLAIN_MS = 1000

/** From the end of a worker to the end of its last process; beyond it, what is left is looked for and killed. */
export const HANG_UP_MS = 200

/**
 * Until all that a worker left behind is dead. Each is killed at once, and dies when the machine has the time for it; one that forks meanwhile
 * is found in the next round.
 */
export const CLEAR_AWAY_MS = 2000

/** How long orphans that fork are chased at a stretch, while nothing else of the thread runs. What is left, the next round finds. */
export const CHASE_MS = 100

/**
 * Until what a dead worker printed is read. It is there already, and its end with it, unless something that lives holds the other end:
 * nothing does once the worker's processes are gone.
 */
export const OUTPUT_MS = 1000

/** Time for the output of a worker that failed to start: it arrives just after its exit. */
export const LAST_WORDS_MS = 200

/** Node drops a handle without a word where the receiver has no descriptor left: it is sent again until it is acknowledged. */
export const HANDOVER_MS = 500
/** A runner that takes no socket for this many times will not take one: 20 s. */
export const HANDOVERS = 40

/** Ending the workers and removing their directories, once the runner is gone. What is left dies with the broker process. */
export const BROKER_END_MS = 1500

/** For the broker's main thread, to end the process by itself once the runner is gone; then a thread ends it. */
export const MAIN_THREAD_END_MS = 1000

/** A broker thread that nobody needs ends: the next start has to load one. */
export const IDLE_THREAD_MS = 30_000

/*
 * What is looked at again and again, and ends nothing. Shorter would cost CPU time, longer is what a test would wait.
 */

/** A round of clearing away what a worker left behind: killed processes have so long to be gone. */
export const ROUND_MS = 10

/** A blocked request of which no event tells, such as a FIFO's open: its latency. No cost where none is blocked. */
export const RETRY_MS = 4

/** The longest that what a waiting call keeps may outlive its thread. */
export const GONE_MS = 20

/** A port may stay taken for so long after the last socket that was connected to it is closed. */
export const LEASE_MS = 100

/** A broker thread without anything to do wakes up as often. Whatever there is to do wakes it at once. */
export const IDLE_LOOK_MS = 1000

/** A broker thread waits for a lock of another one, then serves others and asks again: far more than a rename takes. */
export const LOCK_MS = 2

/** While workers come and go, what is installed is not looked at again for so long. */
export const TRUSTED_MS = 2000
