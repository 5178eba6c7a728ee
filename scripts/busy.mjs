import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'

/** Ends with this process, however that ends. */
const BUSY =
  'for (let n = 1; ; n++) if (n % 10_000_000 === 0 && process.ppid !== Number(process.argv[1])) process.exit()'

/** Processes that never wait, so many for each CPU, until this process exits or `stop` is called. */
export async function keepBusy(times) {
  const children = Array.from({ length: availableParallelism() * times }, () =>
    spawn(process.execPath, ['-e', BUSY, String(process.pid)], { stdio: 'ignore' }),
  )
  const stop = () => {
    for (const child of children) child.kill('SIGKILL')
  }
  process.on('exit', stop)
  await Promise.all(children.map((child) => once(child, 'spawn')))
  return { count: children.length, stop }
}
