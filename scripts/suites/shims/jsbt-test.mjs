// The runner of @paulmillr/jsbt on Vitest. There, tests start when `it.run()` is called, and until then more may be
// added; Vitest has collected them by that time. What comes outside any group is such a latecomer: in readdirp, the
// cleaning-up.
import { afterAll, describe as group, it as add } from 'vitest'

const latecomers = []
let depth = 0

export function describe(name, fill) {
  group(name, () => {
    depth += 1
    fill()
    depth -= 1
  })
}

export function it(name, run) {
  if (depth > 0) add(name, run)
  else latecomers.push(run)
}

it.run = () => undefined
afterAll(() => Promise.all(latecomers.map((run) => run())))
