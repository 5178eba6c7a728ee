/** Facts about a control socket that both of its ends need; its messages are in control.ts. */
import type { Role } from './control.js'

/** The longest message. A policy with every path of a large monorepo takes some hundred KiB. */
export const MOST_BYTES = 64 * 1024 * 1024

/** The name by which a confined client acquires a worker's socket. */
export function socketName(id: number, role: Role): string {
  return `worker.${id}.${role}`
}
