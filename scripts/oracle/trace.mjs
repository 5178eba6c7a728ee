/** What strace saw one process open and connect to: strace(1), `-f -o file`. */

const CALL = /^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)/
const UNFINISHED = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?)/
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
      })
    else if (whole) calls.push({ tid: whole[1], name: whole[2], args: whole[3], result: Number(whole[4]) })
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

/** The path that a call opens; undefined for one relative to a descriptor, which is the broker's way: openat(2). */
export function pathIn({ name, args }, cwd) {
  const match = name === 'openat' ? /^AT_FDCWD, "((?:[^"\\]|\\.)*)"/.exec(args) : /^"((?:[^"\\]|\\.)*)"/.exec(args)
  if (match === null) return undefined
  const path = match[1].replace(/\\(["\\])/g, '$1')
  return path.startsWith('/') ? path : `${cwd}/${path}`
}
