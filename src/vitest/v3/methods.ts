/**
 * Calls the methods of a project that workers may call, and makes the answers. Vitest 3 does not export its RPC
 * library.
 */
import { createMethodsRPC, type TestProject } from 'vitest/node'

export interface Answers {
  /** The message to send back; none for an event. Calls that the gate refused never get here. */
  answer(call: unknown): Promise<object | undefined>
}

export function answersOf(project: TestProject, method: 'run' | 'collect'): Answers {
  // Transformed code is sent by message: no worker needs a file of the parent's for it.
  const methods: object = createMethodsRPC(project, { cacheFs: false, collect: method === 'collect' })
  return {
    async answer(call) {
      if (!isCall(call)) return undefined
      const sent = await outcome(methods, call)
      return call.i === undefined ? undefined : { t: 's', i: call.i, ...sent }
    },
  }
}

interface BirpcCall {
  readonly t: 'q'
  readonly m: string
  readonly a: readonly unknown[]
  readonly i?: string
}

async function outcome(methods: object, { m, a }: BirpcCall): Promise<object> {
  try {
    const method: unknown = Object.hasOwn(methods, m) ? Reflect.get(methods, m) : undefined
    if (typeof method !== 'function') throw new TypeError(`Vitest has no method ${m}`)
    return { r: await Reflect.apply(method, methods, [...a]) }
  } catch (error) {
    return { e: error }
  }
}

function isCall(message: unknown): message is BirpcCall {
  return message instanceof Object && 't' in message && message.t === 'q' && 'm' in message && 'a' in message
}
