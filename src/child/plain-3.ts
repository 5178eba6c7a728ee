/** The worker of Vitest 3 on a machine that cannot confine it, if the options say that tests run all the same. */
const { load, main } = await import('./runtime-3.js')

const [, , runner = ''] = process.argv
main({ transport: 3, runner: await load(runner), mark: () => {}, trace: () => {}, traced: [], argv: [] })

export {}
