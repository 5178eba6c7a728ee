/** What the runs in the two worlds say about a program, as a table and as an exit code. */
import { writeFileSync } from 'node:fs'

/** `expected` and `promised` are the program's own exports: what happens unconfined, and why nobody promises it. */
export function judge({ expected, promised }, plain, caged) {
  if (caged.failed !== undefined) return 'worker failed'
  if (caged.escaped) return promised === undefined ? 'ESCAPED' : 'not promised'
  if (plain === undefined) return 'ok'
  if (expected === 'succeeds') return plain.escaped ? 'ok' : 'PROVES NOTHING'
  return plain.escaped ? 'succeeds after all' : 'ok'
}

/** Verdicts on a program that is as it should be. */
export const FINE = new Set(['ok', 'succeeds after all', 'not promised'])

function show(world) {
  if (world === undefined) return '-'
  if (world.escaped) return 'out'
  return (world.refused ?? world.failed ?? '').replace(/\s+/g, ' ')
}

export class Table {
  #results = []

  constructor(verbose) {
    this.verbose = verbose
  }

  add({ name, title, vector, expected, promised }, plain, caged) {
    const verdict = judge({ expected, promised }, plain, caged)
    this.#results.push({ name, title, vector, expected, promised, verdict, unconfined: plain, confined: caged })
    const line = [verdict.padEnd(14), name.padEnd(44), show(plain).slice(0, 34).padEnd(34), show(caged).slice(0, 110)]
    console.log(line.join(' ').trimEnd())
    if (this.verbose || verdict === 'ESCAPED') {
      console.log(JSON.stringify({ plain: this.verbose ? plain : undefined, caged }, undefined, 1))
    } else if (verdict === 'PROVES NOTHING') console.log(JSON.stringify(plain))
  }

  /** The exit code: 1 where a program got out that was promised not to, or shows nothing. */
  close(json) {
    const results = this.#results
    if (json !== undefined) writeFileSync(json, JSON.stringify(results, undefined, 1))
    const bad = results.filter(({ verdict }) => !FINE.has(verdict))
    console.log(`\n${results.length} programs, ${results.length - bad.length} as they should be`)
    for (const { name, verdict } of bad) console.log(`  ${verdict}: ${name}`)
    const outside = results.filter(({ verdict }) => verdict === 'not promised')
    if (outside.length > 0) console.log(`\noutside the promises, and they get out:`)
    for (const { name, promised } of outside) console.log(`  ${name}: ${promised.replace(/^no: /, '')}`)
    return bad.length > 0 ? 1 : 0
  }
}
