/** Turns the broker's events into facts for programs (`task.meta.seccomp`) and text for people. */
import { dirname } from 'node:path'
import { namesFor } from '../policy/by-name.js'
import type { AccessEvent, CallSite } from '../policy/event.js'
import { describeDenial } from '../policy/message.js'
import { oneOf } from '../policy/nearest.js'
import type { Resource } from '../policy/policy.js'
import { showPath } from '../policy/request.js'
import { suggest, type SuggestContext } from '../policy/suggest.js'
import { hostEntry, showAddress } from '../policy/words.js'
import type { Mark } from '../protocol.js'
import type { TestFileFacts } from '../report/data.js'

/** One distinct violation of one test. Plain data: it survives JSON, blob reporters and shards. */
export interface Violation {
  /** The system call or RPC method that was refused. */
  readonly call: string
  readonly access: string
  /** The canonical path, the address, or the description of a call that is never allowed. */
  readonly resource: string
  /** The path as the test spelled it, where it differs. */
  readonly asked?: string
  /** For an interpreter: the script or program that names it. */
  readonly starts?: string
  /** The manifest line that would allow it; absent if none can. */
  readonly suggestion?: {
    readonly key: string
    readonly entry: string
    readonly line: string
    /** The reason why it is dangerous. A dangerous line is never offered for pasting. */
    readonly danger?: string
  }
  /** The test that was running, if it is known. */
  readonly test?: { readonly id: string; readonly name: string; readonly concurrent: boolean }
  /** The complete text. */
  readonly message: string
}

/** The value of `file.meta.seccomp`. */
export interface SeccompMeta {
  readonly violations: readonly Violation[]
  /** The accesses of the file; only with the option `report`. */
  readonly facts?: TestFileFacts
}

export interface ViolationContext {
  readonly suggest: SuggestContext
  readonly mode: 'enforce' | 'audit'
  /** The resources that the test file may acquire. */
  readonly resources?: readonly Resource[]
  /** The globs in `files` of the other test files that a resource is declared for. */
  readonly otherFilesWith?: (resource: string) => readonly string[]
}

/** The violation for an event; undefined for an event that fails no test. */
export function violationOf(event: AccessEvent, context: ViolationContext): Violation | undefined {
  const { call, label } = event
  switch (event.outcome) {
    case 'allowed':
    case 'hidden':
      return undefined
    case 'overflow':
      return {
        call: '',
        access: '',
        resource: 'more',
        ...testOf(label),
        message: '  and more violations than are listed here',
      }
    case 'forbidden': {
      if (!event.violation) return undefined
      const message = `  refused: ${call}\n  because: ${event.why}\n  nothing in the manifest allows it`
      return {
        call,
        access: 'forbidden',
        resource: event.why,
        ...testOf(label),
        message: message + caveat(label),
      }
    }
    case 'undeclared': {
      const { name, near } = event
      const others = context.otherFilesWith?.(name) ?? []
      const because =
        others.length === 0
          ? 'no resource of that name is declared for this test file'
          : `it is declared for other test files only: ${oneOf(others)}`
      const hint =
        near === undefined || others.length > 0
          ? `to allow it, add to the manifest: resources: { ${name}: { … } }`
          : `did you mean: acquire('${near}')`
      const message = `  refused: acquire the resource '${name}'\n  because: ${because}\n  ${hint}`
      return { call, access: 'acquire', resource: name, ...testOf(label), message: message + caveat(label) }
    }
    case 'denied': {
      const { request, reason, asked, there, operation, host, starts } = event
      // A directory is created for the files that will lie in it.
      const about = {
        ...(asked === undefined ? {} : { asked }),
        directory: there === 'directory' || operation === 'create-directory',
        ...(host === undefined ? {} : { host }),
      }
      const suggestion = suggest({ ...context.suggest, ...about }, request, reason)
      const message = describeDenial({
        request,
        reason,
        suggestion,
        operation,
        ...(asked === undefined ? {} : { asked }),
        ...(host === undefined ? {} : { host }),
        ...(starts === undefined ? {} : { starts }),
        audited: context.mode === 'audit',
        names: namesFor(request, context.resources ?? []),
      })
      return {
        // In a manifest, changing the content needs `write`.
        call,
        access: request.access === 'content' ? 'write' : request.access,
        resource:
          host?.stage === 'asked'
            ? hostEntry(host, request)
            : request.kind === 'path'
              ? showPath(request.path)
              : showAddress(request.address),
        ...(asked === undefined ? {} : { asked: showPath(asked) }),
        ...(starts === undefined ? {} : { starts: showPath(starts) }),
        suggestion,
        ...testOf(label),
        message: message + caveat(label),
      }
    }
    default:
      return event satisfies never
  }
}

/** A file that was hidden from a test. It is worth mentioning where the test fails, and otherwise not. */
export interface Hint {
  readonly test: string
  readonly text: string
  /**
   * Hints with the lowest rank are shown first. Programs often look only in passing at files that lie neither in the
   * project nor along PATH.
   */
  readonly rank: number
}

/** The files that libc and the loader look for in every process. */
const PASSING = /^\/(?:proc|sys|dev)\/|^\/etc\/(?:ld\.so\.preload|nsswitch\.conf|localtime|passwd|group)$/

export function hintOf(event: AccessEvent, { suggest: context }: ViolationContext): Hint | undefined {
  if (event.outcome !== 'hidden' || event.request.kind !== 'path') return undefined
  const { request, label, operation, unseen } = event
  const shown = showPath(request.path)
  const isProgram = (context.searchPath ?? []).includes(dirname(shown))
  const far = !isProgram && ![context.root, context.workspace].some((dir) => shown.startsWith(`${dir}/`))
  if (far && PASSING.test(shown)) return undefined
  const access = operation === 'change-directory' ? 'list' : isProgram ? 'execute' : 'read'
  const { line, danger } = suggest(context, { ...request, access }, { why: 'no-grant' })
  const maybe = unseen === true ? 'if it is there, ' : ''
  const toShow = danger === undefined ? `${maybe}to show it: ${line}` : `${maybe}dangerous to show: ${danger}`
  const rank = (unseen === true ? 2 : 0) + (far ? 1 : 0)
  return { test: label?.id ?? '', text: `  ${shown}\n  ${toShow}`, rank }
}

function testOf(label: Mark | undefined): Pick<Violation, 'test'> {
  if (label === undefined || label.id === '') return {}
  return { test: { id: label.id, name: label.test, concurrent: label.concurrent } }
}

function caveat(label: Mark | undefined): string {
  return label?.concurrent === true ? CAVEAT : ''
}

const CAVEAT = '\n  (tests ran concurrently: it may have been another one that ran then)'

/** The violation with its actual test, if the call's stack shows which of several concurrent tests made it. */
export function withTest(violation: Violation, { label }: CallSite): Violation {
  if (label === undefined || label.id === '' || violation.test?.concurrent !== true) return violation
  const test = { id: label.id, name: label.test, concurrent: false }
  return { ...violation, test, message: violation.message.replace(CAVEAT, '') }
}
