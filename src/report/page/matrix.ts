/**
 * The matrix of test files and what they used. The document contains only the rows in sight, so that thousands of files
 * cost nothing.
 */
import { counted, h } from './dom.js'
import type { Category, GrantUse, Model, FileRow } from './model.js'

const ROW_HEIGHT = 30
const SPARE_ROWS = 10

const COLUMNS = [
  ['read', 'Read'],
  ['write', 'Written'],
  ['execute', 'Run'],
  ['network', 'Network'],
] as const satisfies readonly (readonly [Category, string])[]
const MARKS: Readonly<Record<Category | 'unused', readonly [string, string]>> = {
  read: ['●', 'read'],
  write: ['■', 'written'],
  execute: ['▲', 'run'],
  network: ['◆', 'connected or listened'],
  unused: ['○', 'granted, but unused'],
}

export interface Matrix {
  readonly element: HTMLElement
  show(rows: readonly FileRow[]): void
}

export function matrix({ grants }: Model, open: (row: FileRow) => void): Matrix {
  let rows: readonly FileRow[] = []
  let active = 0
  const body = h('div', { class: 'rows', role: 'rowgroup' })
  const columns = 5 + COLUMNS.length + grants.length
  const grid = h(
    'div',
    {
      class: 'grid',
      role: 'grid',
      tabindex: 0,
      'aria-label': 'Test files by what they used',
      'aria-colcount': columns,
    },
    head(grants),
    body,
  )
  grid.style.setProperty('--grants', String(grants.length))

  const draw = (): void => {
    const from = Math.max(0, Math.floor(grid.scrollTop / ROW_HEIGHT) - SPARE_ROWS)
    const to = Math.min(rows.length, Math.ceil((grid.scrollTop + grid.clientHeight) / ROW_HEIGHT) + SPARE_ROWS)
    body.style.height = `${rows.length * ROW_HEIGHT}px`
    body.replaceChildren(
      ...rows.slice(from, to).map((row, offset) => {
        const place = from + offset
        const line = lineOf(row, grants, place, () => {
          activate(place)
          open(row)
        })
        line.style.top = `${place * ROW_HEIGHT}px`
        if (place === active) line.classList.add('active')
        return line
      }),
    )
    grid.setAttribute('aria-activedescendant', `row-${active}`)
  }
  const activate = (place: number): void => {
    active = Math.max(0, Math.min(rows.length - 1, place))
    const top = active * ROW_HEIGHT
    const room = grid.clientHeight - body.offsetTop - ROW_HEIGHT
    if (top < grid.scrollTop) grid.scrollTop = top
    else if (top > grid.scrollTop + room) grid.scrollTop = top - room
    draw()
  }
  grid.addEventListener('scroll', draw, { passive: true })
  new ResizeObserver(draw).observe(grid)
  grid.addEventListener('keydown', (event) => {
    const page = Math.max(1, Math.floor(grid.clientHeight / ROW_HEIGHT) - 2)
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -rows.length,
      End: rows.length,
    }
    const step = steps[event.key]
    const row = rows[active]
    if (step !== undefined) activate(active + step)
    else if (event.key === 'Enter' && row !== undefined) open(row)
    else return
    event.preventDefault()
  })
  return {
    element: grid,
    show(next) {
      rows = next
      active = 0
      grid.scrollTop = 0
      grid.setAttribute('aria-rowcount', String(rows.length + 1))
      draw()
    },
  }
}

function head(grants: readonly GrantUse[]): HTMLElement {
  const cell = (text: string, title = ''): HTMLElement =>
    h('div', { class: 'cell number', role: 'columnheader', title }, text)
  return h(
    'div',
    { class: 'line head', role: 'row' },
    h('div', { class: 'cell name', role: 'columnheader' }, 'Test file'),
    ...COLUMNS.map(([, label]) => cell(label)),
    cell('Denied'),
    cell('Leaks'),
    cell('Met', 'places where it met another test file'),
    cell('Unused', 'grants that it did not use'),
    ...grants.map(({ grant, used }) =>
      h(
        'a',
        {
          class: `cell grant list-${grant.list}${used === 0 ? ' unused' : ''}`,
          role: 'columnheader',
          href: `#grants/${encodeURIComponent(grant.at)}`,
          title: `${grant.list}: ${grant.source}\n${grant.at}${used === 0 ? '\nno test file used it' : ''}`,
          tabindex: -1,
        },
        h('span', {}, grant.source),
      ),
    ),
  )
}

function lineOf(row: FileRow, grants: readonly GrantUse[], place: number, open: () => void): HTMLElement {
  const number = (value: number, kind = ''): HTMLElement =>
    h(
      'div',
      { class: `cell number ${value === 0 ? 'none' : kind}`, role: 'gridcell' },
      value === 0 ? '–' : String(value),
    )
  return h(
    'div',
    {
      class: `line state-${row.source.state === 'fail' ? 'fail' : 'pass'}`,
      role: 'row',
      id: `row-${place}`,
      'aria-rowindex': place + 2,
      on: { click: open },
      'aria-label': `${row.name}, ${counted(row.denied, 'denial')}`,
    },
    h('div', { class: 'cell name', role: 'rowheader', title: row.name }, h('bdi', {}, row.name)),
    ...COLUMNS.map(([category]) => number(row.counts[category], `is-${category}`)),
    number(row.denied, 'bad'),
    number(row.leaks, 'bad'),
    number(row.hazards, 'bad'),
    number(row.unused, 'dim'),
    ...grants.map(({ key, grant }) => {
      const use = row.grants.get(key)
      const [mark, word] = use === undefined ? ['', 'not granted'] : MARKS[use]
      return h(
        'div',
        {
          class: `cell mark ${use === undefined ? '' : `is-${use}`}`,
          role: 'gridcell',
          title: `${grant.source}: ${word}`,
        },
        mark,
      )
    }),
  )
}

export function legend(): HTMLElement {
  return h(
    'p',
    { class: 'legend' },
    ...Object.entries(MARKS).flatMap(([kind, [mark, word]]) => [
      h('span', { class: `is-${kind}` }, mark),
      ` ${word}  `,
    ]),
  )
}
