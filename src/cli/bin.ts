#!/usr/bin/env node
import { prepareBroker } from './run/broker-process.js'

const io = {
  out: (text: string) => void process.stdout.write(text),
  err: (text: string) => void process.stderr.write(text),
}
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
