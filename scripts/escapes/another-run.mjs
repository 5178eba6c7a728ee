/** A run beside the first one: a worker of a broker process of its own. */
import { pathToFileURL } from 'node:url'
import { confinement } from './worlds.mjs'

process.once('message', async ({ dist, support, program, stage, seconds }) => {
  const confined = await confinement(dist, support)
  const module = await import(pathToFileURL(program).href)
  process.send(await confined(program, stage, seconds, module), () => process.exit())
})
