/** The table: a row for each mediated call. Filter, dispatcher, docs and test matrix derive from it. */
import type { Arch } from '../abi/arch.js'
import { syscallNumber } from '../abi/syscalls.js'
import { anonymousFamily } from './anonymous.js'
import { attributeFamily } from './attributes.js'
import { changeFamily } from './change.js'
import { controlFamily } from './control.js'
import type { Row } from './define.js'
import { execFamily } from './exec.js'
import type { Reception } from './filter.js'
import { identityFamily } from './identity.js'
import { lookFamily } from './look.js'
import { messageFamily } from './messages.js'
import { openFamily } from './open.js'
import { processFamily } from './processes.js'
import { receivingFamily } from './receiving.js'
import { refusedFamily } from './refused.js'
import { nameFamily } from './socket-names.js'
import { optionFamily } from './socket-options.js'
import { socketFamily } from './sockets.js'
import { withoutSockets } from './without-sockets.js'

export function rowsFor(arch: Arch): readonly Row[] {
  return [
    ...openFamily(arch),
    ...lookFamily,
    ...changeFamily,
    ...attributeFamily,
    ...anonymousFamily,
    ...socketFamily,
    ...optionFamily,
    ...nameFamily,
    ...messageFamily,
    ...receivingFamily,
    ...execFamily,
    ...processFamily,
    ...identityFamily,
    ...controlFamily,
    ...refusedFamily,
  ]
}

/** The rows by number. A call that the architecture does not have is left out; a name in two rows is a mistake. */
export function tableFor(arch: Arch, reception: Reception = 'kernel'): ReadonlyMap<number, Row> {
  const table = new Map<number, Row>()
  for (const listed of rowsFor(arch)) {
    const row = reception === 'none' ? withoutSockets(listed) : listed
    const number = syscallNumber(arch, row.name)
    if (number === undefined) continue
    if (table.has(number)) throw new TypeError(`${row.name} has two rows in the table`)
    table.set(number, row)
  }
  return table
}
