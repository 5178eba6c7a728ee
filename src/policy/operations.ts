/**
 * The operations of system calls. Each row of the table has one. Messages, recordings, the report and its warnings
 * derive from it what they say and assume about the call.
 */
import type { PathAccess, SocketAccess } from './access.js'

export type DescriptorKind = 'file' | 'socket' | 'pipe' | 'other'

interface OperationFacts {
  /** The accesses that the call asks the policy for. */
  readonly asks: readonly (PathAccess | SocketAccess)[]
  /** The words of a message; `…` is replaced by the path or the address. Without it, the message names the access. */
  readonly says?: `${string}…`
  /** The kind of the descriptors that the call makes. */
  readonly makes?: DescriptorKind
}

const NOTHING: OperationFacts = { asks: [] }

export const OPERATIONS = {
  open: { asks: ['look', 'list', 'read', 'content', 'write'], makes: 'file' },
  look: { asks: ['look'] },
  'read-attribute': { asks: ['look', 'list', 'read'], says: 'read an attribute of …' },
  watch: { asks: ['look', 'list', 'read'], says: 'watch …' },
  'change-directory': { asks: ['look'], says: 'change the directory to …' },
  'create-directory': { asks: ['look', 'write'], says: 'create the directory …' },
  'create-node': { asks: ['look', 'write'], says: 'create …' },
  'create-symlink': { asks: ['look', 'write'], says: 'create the symbolic link …' },
  link: { asks: ['look', 'write'], says: 'link …' },
  rename: { asks: ['look', 'write', 'move'], says: 'rename …' },
  remove: { asks: ['look', 'write'], says: 'remove …' },
  'remove-directory': { asks: ['look', 'write'], says: 'remove the directory …' },
  truncate: { asks: ['look', 'content'], says: 'truncate …' },
  'change-mode': { asks: ['look', 'write'], says: 'change the mode of …' },
  'change-owner': { asks: ['look', 'write'], says: 'change the owner of …' },
  'change-times': { asks: ['look', 'write'], says: 'change the times of …' },
  'change-attributes': { asks: ['look', 'write'], says: 'change attributes of …' },
  run: { asks: ['look', 'execute'] },
  'create-socket': { asks: [], makes: 'socket' },
  accept: { asks: [], makes: 'socket' },
  connect: { asks: ['connect', 'look', 'write'] },
  listen: { asks: ['listen', 'look', 'write'], says: 'listen on …' },
  send: { asks: ['connect', 'look', 'write'], says: 'send to …' },
  receive: NOTHING,
  'set-option': { asks: ['listen'], says: 'join the group …' },
  'create-pipe': { asks: [], makes: 'pipe' },
  'create-descriptor': { asks: [], makes: 'other' },
  /** Signals, limits, priorities and clocks of processes. */
  'name-process': NOTHING,
  /** The identity of the caller, and what it sets for itself and its descriptors. */
  'own-state': NOTHING,
  /** Names and options of a socket. */
  'ask-socket': NOTHING,
  /** Calls that no manifest can grant. */
  forbidden: NOTHING,
  /** `acquire` of a declared resource. */
  acquire: { asks: ['look', 'read', 'write', 'connect', 'listen'] },
  /** A method of Vitest's own. */
  rpc: { asks: ['look', 'read', 'write'] },
} as const satisfies Readonly<Record<string, OperationFacts>>

export type Operation = keyof typeof OPERATIONS

export function factsOf(operation: Operation): OperationFacts {
  return OPERATIONS[operation]
}

/** A call by its name, the system call's or the RPC method's, and what it does. */
export interface NamedCall {
  readonly name: string
  readonly operation: Operation
}
