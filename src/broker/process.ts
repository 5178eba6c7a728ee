/**
 * The broker process: the parent of the workers, their reaper, and the only process of a run that holds their
 * listeners. The runner (Vitest's process) starts it; it serves the runner alone, and ends with it.
 *
 * Descriptors: 2 goes to the runner, 3 is Node's channel, over which workers' sockets are handed over, 4 is the control
 * socket.
 */
import { Socket } from 'node:net'
import { BROKER_END_MS } from '../limits.js'
import { abilityOf, boot, endWith, tidyUp } from './boot.js'
import { Host } from './host.js'
import { nodeChannel } from './node-channel.js'
import { AS_ASKED, ServedClient } from './serving.js'

const CONTROL = 4

const [runnerPid, tag, ...directories] = process.argv.slice(2)
const runner = boot(Number(runnerPid), Number(tag))
const host = new Host({ runner, onRunnerEnded: end })
const client = new ServedClient({
  host,
  control: new Socket({ fd: CONTROL, readable: true, writable: true }),
  handing: nodeChannel,
  admission: AS_ASKED,
  onGone(detail) {
    if (detail !== undefined) process.stderr.write(`${detail}\n`)
    end()
  },
})

function end(): void {
  void endWith(() => host.close(), BROKER_END_MS)
}

process.once('disconnect', () => client.gone())
client.say({ type: 'ready', ...abilityOf(host) })
tidyUp(directories)
