/**
 * Finds the place of a refused call in JavaScript. The calling thread cannot be asked while the broker decides, and the
 * error that follows may be swallowed. So the failure is caught where it comes back into JavaScript: in Node's own
 * bindings, below everything that a test can see or replace. Their results, their errors and the stacks of these stay
 * the same.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { Socket } from 'node:net'
import { constants } from 'node:os'
import { bindingOf, hasBindings, prototypeOf, wrap, type BindingMethod } from './bindings.js'

/** The functions of the binding `fs` that take a path. The broker does not see calls on a descriptor. */
const FS = [
  'access',
  'open',
  'openFileHandle',
  'readFileUtf8',
  'writeFileUtf8',
  'stat',
  'lstat',
  'statfs',
  'readdir',
  'mkdir',
  'mkdtemp',
  'rmdir',
  'rmSync',
  'unlink',
  'rename',
  'link',
  'symlink',
  'readlink',
  'realpath',
  'copyFile',
  'cpSyncCheckPaths',
  'cpSyncCopyDir',
  'cpSyncOverrideFile',
  'chmod',
  'chown',
  'lchown',
  'utimes',
  'lutimes',
  'truncate',
] as const
/** Handles whose methods return a negative errno. */
const HANDLES = [
  ['tcp_wrap', 'TCP', ['bind', 'bind6', 'listen', 'connect', 'connect6']],
  ['pipe_wrap', 'Pipe', ['bind', 'listen', 'connect']],
  ['udp_wrap', 'UDP', ['bind', 'bind6', 'connect', 'connect6', 'send', 'send6']],
  ['process_wrap', 'Process', ['spawn']],
] as const
const MOST_FRAMES = 30
/** Traces of one worker. Beyond, refusals are reported without their place. */
const MOST_TRACES = 5000

const { captureStackTrace } = Error

interface TraceOptions {
  /**
   * Also traces calls that fail later, and connections, which are made in a turn of their own. For Vitest's own
   * process: in a test it would cost more than the line is worth.
   */
  readonly later?: boolean
}

/** Calls `tell` for each synchronous call that fails with one of these codes. */
export function traceRefusals(
  traced: readonly string[],
  tell: (kind: 'call' | 'program' | 'later', stack: string, path?: string) => void,
  { later = false }: TraceOptions = {},
): void {
  if (traced.length === 0 || !hasBindings()) return
  if (later) traceConnections()
  let left = MOST_TRACES
  let isTracing = false
  const trace = (kind: 'call' | 'program', caller: BindingMethod): void => {
    // Finding the lines may itself lead to a refused call.
    if (isTracing || left-- <= 0) return
    isTracing = true
    const stack = stackBelow(caller)
    const before = connecting.getStore()
    isTracing = false
    tell(kind, before === undefined ? stack : `${stack}\n${String(before.stack)}`)
  }
  const numbers = new Set(traced.map((code) => -(errnos.get(code) ?? 0)))
  const isRefusal = (code: unknown): boolean => typeof code === 'string' && traced.includes(code)
  const fs = bindingOf('fs')
  for (const name of FS)
    wrap(
      fs,
      name,
      (original) =>
        function binding(...args) {
          const from = later && isAsynchronous(args) ? captured(binding) : undefined
          try {
            const result = Reflect.apply(original, this, args)
            if (from !== undefined)
              whenItFails(args, result, (error) => {
                if (isRefusal(codeOf(error))) tell('later', String(from.stack), pathIn(args))
              })
            // Older releases of Node 20 store the failure in their last argument.
            if (isRefusal(codeOf(args.at(-1)))) trace('call', binding)
            return result
          } catch (error) {
            if (isRefusal(codeOf(error))) trace('call', binding)
            // Hides this function from the stack.
            if (error instanceof Error) captureStackTrace(error, binding)
            throw error
          }
        },
    )
  const returns =
    (kind: 'call' | 'program', errno: (result: unknown) => unknown) =>
    (original: BindingMethod): BindingMethod =>
      function binding(...args) {
        const result = Reflect.apply(original, this, args)
        if (numbers.has(Number(errno(result)))) trace(kind, binding)
        return result
      }
  for (const [module, name, methods] of HANDLES) {
    for (const method of methods)
      wrap(
        prototypeOf(module, name),
        method,
        returns(module === 'process_wrap' ? 'program' : 'call', (result) => result),
      )
  }
  wrap(
    bindingOf('spawn_sync'),
    'spawn',
    returns('program', (result) => (result instanceof Object && 'error' in result ? result.error : 0)),
  )
}

/**
 * True for an asynchronous call: fs.promises passes a symbol, fs with callbacks a request object (lib/internal/fs of
 * Node).
 */
function isAsynchronous(args: readonly unknown[]): boolean {
  const last = args.at(-1)
  return typeof last === 'symbol' || (last instanceof Object && 'oncomplete' in last)
}

function captured(caller: BindingMethod): { readonly stack?: unknown } {
  const holder = {}
  captureStackTrace(holder, caller)
  return holder
}

function whenItFails(args: readonly unknown[], result: unknown, tell: (error: unknown) => void): void {
  if (result instanceof Promise) return void result.then(undefined, tell)
  const request: unknown = args.at(-1)
  const own: unknown = request instanceof Object ? Reflect.get(request, 'oncomplete') : undefined
  if (!(request instanceof Object) || typeof own !== 'function') return
  Reflect.set(request, 'oncomplete', function oncomplete(this: unknown, ...given: unknown[]): unknown {
    tell(given[0])
    return Reflect.apply(own, this, given)
  })
}

/** The path of a call: absolute, otherwise as it was spelled; empty for bytes that are no text. */
function pathIn([path]: readonly unknown[]): string {
  if (typeof path !== 'string') return ''
  return path.startsWith('/') ? path : `${process.cwd()}/${path}`
}

/**
 * Remembers the stack that asked for a connection: the connection is made in a later turn, whose stack does not show
 * it.
 */
const connecting = new AsyncLocalStorage<{ stack?: unknown }>()

function traceConnections(): void {
  const own = Socket.prototype.connect
  Socket.prototype.connect = function connect(this: Socket, ...args: unknown[]): Socket {
    const from: { stack?: unknown } = {}
    captureStackTrace(from, connect)
    return connecting.run(from, () => Reflect.apply(own, this, args) as Socket)
  }
}

const errnos = new Map(Object.entries(constants.errno))

/** The code of an error, or of one of the plain objects in which bindings report a failure. */
function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}

/**
 * Vitest's own Error.prepareStackTrace, which finds the lines of the source. It is read when a file begins, before the
 * file's code can set another.
 */
let prepare: unknown

export function fileBegins(): void {
  prepare = Error.prepareStackTrace
}

function asWritten(_: unknown, sites: readonly unknown[]): string {
  return sites.map((site) => `    at ${String(site)}`).join('\n')
}

/**
 * Returns the stack below this function, whatever a test has done to `Error` meanwhile, and leaves `Error` as it was.
 */
function stackBelow(caller: BindingMethod): string {
  const before = ['prepareStackTrace', 'stackTraceLimit'].map(
    (name) => [name, Object.getOwnPropertyDescriptor(Error, name)] as const,
  )
  const holder: { stack?: unknown } = {}
  try {
    // Reflect leaves a frozen object as it is, without an error.
    Reflect.set(Error, 'prepareStackTrace', typeof prepare === 'function' ? prepare : asWritten)
    Reflect.set(Error, 'stackTraceLimit', MOST_FRAMES)
    captureStackTrace(holder, caller)
    return typeof holder.stack === 'string' ? holder.stack : ''
  } catch (error) {
    // The test must see the call's own failure; a stack only serves a message.
    return error instanceof Error ? '' : String(error)
  } finally {
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) Reflect.deleteProperty(Error, name)
      else Reflect.defineProperty(Error, name, descriptor)
    }
  }
}
