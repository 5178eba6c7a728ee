/**
 * Parses a worker's message. It must be a birpc call, a birpc answer, or a response of Vitest's worker. The result is
 * rebuilt from the fields that were checked. `birpc` 4: src/messages.ts; Vitest: src/node/pools/types.ts.
 */
import { ProtocolError } from '../../errors.js'

export interface RpcCall {
  readonly kind: 'call'
  readonly method: string
  readonly args: readonly unknown[]
  /** Absent for an event, which nobody answers. */
  readonly id?: string
}

export interface RpcAnswer {
  readonly kind: 'answer'
  readonly id: string
  readonly message: object
}

export interface WorkerResponse {
  readonly kind: 'response'
  readonly type: ResponseType
  readonly error?: unknown
  readonly usedMemory?: number
}

export type ResponseType = 'started' | 'testfileFinished' | 'stopped'
const RESPONSE_TYPES: readonly string[] = ['started', 'testfileFinished', 'stopped'] satisfies ResponseType[]

/** True if a parsed message is a response of this type. */
export function isResponse(message: unknown, type: ResponseType): boolean {
  return (
    message instanceof Object && '__vitest_worker_response__' in message && 'type' in message && message.type === type
  )
}

const LONGEST_ID = 64
const LONGEST_METHOD = 64
const MOST_ARGUMENTS = 8

/** Parses a message. Throws a ProtocolError for any other message. */
export function parseMessage(message: unknown): RpcCall | RpcAnswer | WorkerResponse {
  const fields = fieldsOf(message)
  if (fields.has('__vitest_worker_response__')) return parseResponse(fields)
  switch (fields.get('t')) {
    case 'q':
      return parseCall(fields)
    case 's':
      return parseAnswer(fields)
    default:
      throw new ProtocolError('a message that is neither a call, nor an answer, nor a response of the worker')
  }
}

function parseCall(fields: ReadonlyMap<string, unknown>): RpcCall {
  only(fields, ['t', 'm', 'a', 'i', 'o'], 'a call')
  const [method, args] = [fields.get('m'), fields.get('a')]
  if (typeof method !== 'string' || method.length > LONGEST_METHOD)
    throw new ProtocolError('a call whose method is no name')
  if (!Array.isArray(args) || args.length > MOST_ARGUMENTS)
    throw new ProtocolError(`a call of ${method} without a list of arguments`)
  return {
    kind: 'call',
    method,
    args: Array.from(args),
    ...(fields.get('i') === undefined ? {} : { id: idOf(fields, `a call of ${method}`) }),
  }
}

function parseAnswer(fields: ReadonlyMap<string, unknown>): RpcAnswer {
  only(fields, ['t', 'i', 'r', 'e'], 'an answer')
  const id = idOf(fields, 'an answer')
  return { kind: 'answer', id, message: Object.fromEntries(fields) }
}

function parseResponse(fields: ReadonlyMap<string, unknown>): WorkerResponse {
  only(fields, ['__vitest_worker_response__', 'type', 'error', 'usedMemory'], 'a response')
  const [type, usedMemory] = [fields.get('type'), fields.get('usedMemory')]
  if (fields.get('__vitest_worker_response__') !== true || !isResponseType(type))
    throw new ProtocolError('a response of an unknown type')
  if (usedMemory !== undefined && typeof usedMemory !== 'number')
    throw new ProtocolError('a response whose memory is no number')
  const error = fields.get('error')
  return {
    kind: 'response',
    type,
    ...(error === undefined ? {} : { error }),
    ...(usedMemory === undefined ? {} : { usedMemory }),
  }
}

/** The message's own fields, as a Map, so that no name of Object.prototype can be taken for a field. */
function fieldsOf(message: unknown): Map<string, unknown> {
  const isPlain = typeof message === 'object' && message !== null && Object.getPrototypeOf(message) === Object.prototype
  if (!isPlain)
    throw new ProtocolError(`a message that is ${message === null ? 'null' : `not a plain object (${typeof message})`}`)
  return new Map(Object.entries(message))
}

function only(fields: ReadonlyMap<string, unknown>, known: readonly string[], what: string): void {
  const unknown = [...fields.keys()].find((key) => !known.includes(key))
  if (unknown !== undefined)
    throw new ProtocolError(`${what} with the unknown field ${JSON.stringify(unknown.slice(0, 40))}`)
}

function idOf(fields: ReadonlyMap<string, unknown>, what: string): string {
  const id = fields.get('i')
  if (typeof id !== 'string' || id === '' || id.length > LONGEST_ID)
    throw new ProtocolError(`${what} whose id is not a short string`)
  return id
}

function isResponseType(type: unknown): type is ResponseType {
  return typeof type === 'string' && RESPONSE_TYPES.includes(type)
}
