/** How many times slower than usual the machine is, as an emulated one; what waits in a test waits so much longer. */
export const SLOW = Number(process.env.SLOW ?? 1)
