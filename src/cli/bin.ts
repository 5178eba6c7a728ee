#!/usr/bin/env node
import { prepareBroker } from './run/broker-process.js'

const io = {
  out: (text: string) => void process.stdout.write(text),
  // What `run` confines has the same streams. A socket it may shut down, for all who hold it.
  err: (text: string) => void process.stderr.write(text, (error) => void (error && process.stdout.write(text))),
}
process.stderr.on('error', () => {})
const [command, ...args] = process.argv.slice(2)
if (command === 'run') {
  // Before the rest is loaded, so that the broker comes up in the meantime.
  prepareBroker()
  const { start } = await import('./run/start.js')
  process.exitCode = await start(args, io)
} else {
  const { main } = await import('./main.js')
  process.exitCode = await main(process.argv.slice(2), io)
}
