/** The worker of Vitest 3 where nothing can confine it, and the options say that the tests are to run all the same. */
const { load, main } = await import('./runtime-3.js')

const [, , runner = ''] = process.argv
main({ transport: 3, runner: await load(runner), mark: () => {}, trace: () => {}, traced: [], argv: [] })

export {}
