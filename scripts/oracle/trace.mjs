/** What strace saw one process open and connect to: strace(1), `-f -y -o file`. */

const CALL = /^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)(?:<(.*)>$)?/
const UNFINISHED = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?)(?:<(.*)>$)?/
const MAKES_TASKS = new Set(['clone', 'clone3', 'fork', 'vfork'])

/** One call that succeeded: of the first process and its threads. */
export function callsOfFirst(text) {
  const pending = new Map()
  const calls = []
  for (const line of text.split('\n')) {
    const begun = UNFINISHED.exec(line)
    if (begun !== null) {
      pending.set(begun[1], begun[3])
      continue
    }
    const resumed = RESUMED.exec(line)
    const whole = resumed === null ? CALL.exec(line) : undefined
    if (resumed !== null)
      calls.push({
        tid: resumed[1],
        name: resumed[2],
        args: `${pending.get(resumed[1]) ?? ''}${resumed[3]}`,
        result: Number(resumed[4]),
        real: resumed[5],
      })
    else if (whole)
      calls.push({ tid: whole[1], name: whole[2], args: whole[3], result: Number(whole[4]), real: whole[5] })
  }
  const [first] = calls
  if (first === undefined) return []
  const threads = threadsOf(first.tid, calls)
  return calls.filter(
    ({ tid, result, name }) => threads.has(tid) && !MAKES_TASKS.has(name) && (result >= 0 || name === 'connect'),
  )
}

/** A thread may show up before the call that made it has returned, so all of them are looked for first. */
function threadsOf(first, calls) {
  const made = calls.filter(
    ({ name, result, args }) => MAKES_TASKS.has(name) && result > 0 && args.includes('CLONE_THREAD'),
  )
  const threads = new Set([first])
  for (let size = 0; size !== threads.size;) {
    size = threads.size
    for (const { tid, result } of made) if (threads.has(tid)) threads.add(String(result))
  }
  return threads
}

/**
 * The paths that a call opens: as it is spelled, unless it is relative to a descriptor, and where it led. A link inside may lead
 * outside.
 */
export function pathsIn({ name, args, real }, cwd) {
  const match =
    name === 'openat' ? /^AT_FDCWD(?:<[^>]*>)?, "((?:[^"\\]|\\.)*)"/.exec(args) : /^"((?:[^"\\]|\\.)*)"/.exec(args)
  const spelled = match?.[1].replace(/\\(["\\])/g, '$1')
  const paths = [
    ...(spelled === undefined ? [] : [spelled.startsWith('/') ? spelled : `${cwd}/${spelled}`]),
    // What has no path: a pipe, a socket, a memory of its own.
    ...(real?.startsWith('/') ? [real.replace(/ ?\(deleted\)$/, '')] : []),
  ]
  return [...new Set(paths)]
}
