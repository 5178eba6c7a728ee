/** The views beside the matrix: a time line of denials, hazards, descriptors, grants. */
import { counted, h, span, svg } from './dom.js'
import { shorten, type Model, type FileRow } from './model.js'

type Open = (row: FileRow) => void

function fileButton(row: FileRow, open: Open): HTMLElement {
  return h('button', { class: 'file', on: { click: () => open(row) } }, row.name)
}

function table(
  caption: string,
  headings: readonly string[],
  rows: readonly (readonly (Node | string)[])[],
): HTMLElement {
  if (rows.length === 0) return h('p', { class: 'empty' }, `${caption}: none.`)
  return h(
    'table',
    {},
    h('caption', {}, caption),
    h('thead', {}, h('tr', {}, ...headings.map((text) => h('th', { scope: 'col' }, text)))),
    h('tbody', {}, ...rows.map((cells) => h('tr', {}, ...cells.map((cell) => h('td', {}, cell))))),
  )
}

const LANE = 22
const LABEL = 280
const WIDTH = 1000
const MOST_LANES = 200
/** The most rows of a table: the report of a run in which everything was refused must still open. */
const MOST_ROWS = 2000

export function denials({ began, ended }: Model, rows: readonly FileRow[], open: Open): HTMLElement {
  const refused = rows.filter(({ denied }) => denied > 0)
  const list = refused.flatMap((row) => row.source.denials.map((denial) => [row, denial] as const))
  return h(
    'div',
    { class: 'view' },
    ...(refused.length === 0 ? [] : [timeline(refused, began, Math.max(1, ended - began), open)]),
    table(
      `${counted(list.length, 'denial')}${list.length > MOST_ROWS ? `, the first ${MOST_ROWS} of them` : ''}`,
      ['Test file', 'Test', 'What was refused', 'To allow it'],
      list
        .slice(0, MOST_ROWS)
        .map(([row, { test = '', resource, call, line = '', danger }]) => [
          fileButton(row, open),
          test,
          h('span', {}, h('code', {}, shorten(resource, row.source)), ' ', h('small', {}, call)),
          danger === undefined
            ? h('code', {}, line)
            : h('span', {}, h('strong', {}, `Dangerous: ${danger}. `), h('code', {}, line)),
        ]),
    ),
  )
}

function timeline(rows: readonly FileRow[], began: number, length: number, open: Open): Node {
  const lanes = rows.filter(({ source }) => source.facts !== undefined).slice(0, MOST_LANES)
  const x = (time: number): number => LABEL + ((time - began) / length) * (WIDTH - LABEL - 20)
  const height = lanes.length * LANE + 30
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const at = LABEL + part * (WIDTH - LABEL - 20)
    return svg(
      'g',
      { class: 'tick' },
      svg('line', { x1: at, x2: at, y1: 0, y2: height - 22 }),
      svg('text', { x: at, y: height - 6, 'text-anchor': 'middle' }, span(part * length)),
    )
  })
  const drawn = lanes.map((row, lane) => {
    const y = lane * LANE + LANE / 2
    const { facts } = row.source
    const refusals = (facts?.uses ?? []).filter(({ outcome }) => outcome === 'denied')
    return svg(
      'g',
      {
        class: 'lane',
        tabindex: 0,
        role: 'button',
        'aria-label': `${row.name}: ${counted(row.denied, 'denial')}`,
        on: {
          click: () => open(row),
          keydown: (event) => event instanceof KeyboardEvent && event.key === 'Enter' && open(row),
        },
      },
      svg('rect', { class: 'hit', x: 0, y: y - LANE / 2, width: WIDTH, height: LANE }),
      svg(
        'text',
        { x: LABEL - 10, y: y + 4, 'text-anchor': 'end' },
        row.name.length > 40 ? `…${row.name.slice(-39)}` : row.name,
      ),
      svg('line', {
        class: 'life',
        x1: x(facts?.began ?? began),
        x2: Math.max(x(facts?.began ?? began) + 2, x(facts?.ended ?? began)),
        y1: y,
        y2: y,
      }),
      ...refusals.map(({ what, access, first, count, test = '' }) =>
        svg(
          'circle',
          { class: `denial is-${access}`, cx: x(first), cy: y, r: Math.min(9, 4 + Math.log2(count)) },
          svg(
            'title',
            {},
            `${access} ${what}\n${test}\n${span(first - began)} after the start, ${counted(count, 'time')}`,
          ),
        ),
      ),
    )
  })
  return h(
    'figure',
    {},
    h('figcaption', {}, 'When each was refused'),
    svg(
      'svg',
      { class: 'timeline', viewBox: `0 0 ${WIDTH} ${height}`, role: 'group', 'aria-label': 'Time line of denials' },
      ...ticks,
      ...drawn,
    ),
  )
}

export function hazards({ hazards: all, rows }: Model, shown: ReadonlySet<FileRow>, open: Open): HTMLElement {
  const byName = new Map(rows.map((row) => [`${row.source.project}\0${row.source.file}`, row]))
  const list = all
    .map((hazard) => ({
      hazard,
      met: hazard.parties.map((party) => ({ party, row: byName.get(`${party.project}\0${party.file}`) })),
    }))
    .filter(({ met }) => met.some(({ row }) => row !== undefined && shown.has(row)))
  return h(
    'div',
    { class: 'view' },
    h(
      'p',
      { class: 'hint' },
      'Test files that ran at the same time and met at one place, where at least one of them changed something: which came first is left to chance.',
    ),
    table(
      counted(list.length, 'place'),
      ['Place', 'What met', 'Who'],
      list.map(({ hazard, met }) => [
        h('code', {}, met[0]?.row === undefined ? hazard.what : shorten(hazard.what, met[0].row.source)),
        hazard.kind.replace('-', ' / '),
        h(
          'ul',
          {},
          ...met.map(({ party, row }) =>
            h(
              'li',
              {},
              h('span', { class: `tag is-${party.access}` }, party.access),
              ' ',
              row === undefined ? party.file : fileButton(row, open),
              party.test === undefined ? undefined : ` › ${party.test}`,
            ),
          ),
          hazard.more > 0 ? h('li', {}, `and ${hazard.more} more`) : undefined,
        ),
      ]),
    ),
  )
}

export function descriptors({ began }: Model, rows: readonly FileRow[], open: Open): HTMLElement {
  const known = rows.flatMap((row) => (row.source.facts === undefined ? [] : [[row, row.source.facts] as const]))
  const leaks = known.flatMap(([row, facts]) => facts.leaks.map((leak) => [row, leak] as const))
  const busy = known.filter(([, { opened }]) => Object.keys(opened).length > 0)
  return h(
    'div',
    { class: 'view' },
    table(
      `${counted(leaks.length, 'descriptor')} left open`,
      ['Test file', 'Test', 'What', 'Opened'],
      leaks
        .slice(0, MOST_ROWS)
        .map(([row, { test = '', kind, what, descriptor, opened }]) => [
          fileButton(row, open),
          test,
          h('span', {}, h('code', {}, shorten(what, row.source)), ' ', h('small', {}, `${kind}, number ${descriptor}`)),
          `${span(opened - began)} after the start`,
        ]),
    ),
    table(
      'Opened by each worker',
      ['Test file', 'Process', 'Descriptors'],
      busy.slice(0, MOST_ROWS).map(([row, { pid, opened }]) => [
        fileButton(row, open),
        String(pid),
        Object.entries(opened)
          .filter(([, count]) => count > 0)
          .map(([kind, count]) => `${kind} × ${count}`)
          .join(', '),
      ]),
    ),
  )
}

export function grants({ grants: all }: Model): HTMLElement {
  const sorted = [...all].sort((a, b) => a.used - b.used)
  return h(
    'div',
    { class: 'view' },
    table(
      `${counted(all.length, 'grant')}, the unused ones first`,
      ['List', 'Entry', 'Where', 'Used by'],
      sorted.map(({ grant, files, used, project }) => [
        h('span', { class: `tag list-${grant.list}` }, grant.list),
        h('code', { id: `grant-${grant.at}`, tabindex: -1 }, grant.source),
        h('small', {}, project === '' ? grant.at : `[${project}] ${grant.at}`),
        used === 0
          ? h('strong', { class: 'bad' }, `none of ${counted(files, 'test file')}`)
          : `${used} of ${counted(files, 'test file')}`,
      ]),
    ),
  )
}
