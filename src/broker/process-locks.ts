import { InodeLocks } from '../sys/inode-locks.js'

/** The locks of the whole process: the main thread hands them to each broker thread. */
export const processLocks = new InodeLocks()
