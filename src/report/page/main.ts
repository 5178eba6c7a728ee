/** The page: it draws the view that the address's fragment, the search and the keyboard select. */
import type { ReportData } from '../data.js'
import { detail } from './detail.js'
import { counted, h } from './dom.js'
import { denials, descriptors, grants, hazards } from './lists.js'
import { legend, matrix } from './matrix.js'
import { modelOf, type FileRow } from './model.js'

const VIEWS = ['matrix', 'denials', 'hazards', 'descriptors', 'grants'] as const
type View = (typeof VIEWS)[number]
const TITLES: Readonly<Record<View, string>> = {
  matrix: 'Matrix',
  denials: 'Denials',
  hazards: 'Hazards',
  descriptors: 'Descriptors',
  grants: 'Grants',
}
const FILTERS = { all: 'All', denied: 'Denied', leaks: 'Leaks', hazards: 'Met others' } as const
type RowFilter = keyof typeof FILTERS

// The type is certain: the same package wrote the data.
const model = modelOf(JSON.parse(document.getElementById('data')?.textContent ?? '') as ReportData)
let view: View = 'matrix'
let filter: RowFilter = 'all'
let opener: Element | null = null

const search = h('input', {
  type: 'search',
  id: 'search',
  placeholder: 'Search files, paths, addresses, tests',
  'aria-label': 'Search',
  'aria-keyshortcuts': '/',
})
const shown = h('output', { class: 'shown', for: 'search' })
const panel = h('main', { id: 'panel', role: 'tabpanel', tabindex: -1 })
const side = h('div', { class: 'side' })
const table = matrix(model, open)

function total(of: (row: FileRow) => number): number {
  return model.rows.reduce((sum, row) => sum + of(row), 0)
}

function matching(): readonly FileRow[] {
  const words = search.value
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  return model.rows.filter(
    (row) => (filter === 'all' || row[filter] > 0) && words.every((word) => row.text.includes(word)),
  )
}

function draw(): void {
  const rows = matching()
  shown.textContent = rows.length === model.rows.length ? '' : `${counted(rows.length, 'file')} of ${model.rows.length}`
  if (view === 'matrix') {
    panel.replaceChildren(legend(), table.element)
    table.show(rows)
  } else if (view === 'denials') panel.replaceChildren(denials(model, rows, open))
  else if (view === 'hazards') panel.replaceChildren(hazards(model, new Set(rows), open))
  else if (view === 'descriptors') panel.replaceChildren(descriptors(model, rows, open))
  else panel.replaceChildren(grants(model))
  for (const tab of tabs) {
    const isSelected = tab.id === `tab-${view}`
    tab.setAttribute('aria-selected', String(isSelected))
    tab.tabIndex = isSelected ? 0 : -1
  }
}

function open(row: FileRow): void {
  opener = document.activeElement
  const shownDetail = detail(row, close)
  side.replaceChildren(shownDetail)
  document.body.classList.add('with-detail')
  shownDetail.focus()
}

function close(): void {
  side.replaceChildren()
  document.body.classList.remove('with-detail')
  if (opener instanceof HTMLElement || opener instanceof SVGElement) opener.focus()
}

function follow(): void {
  const [name = '', what = ''] = location.hash.slice(1).split('/')
  view = VIEWS.find((one) => one === name) ?? 'matrix'
  draw()
  if (view !== 'grants' || what === '') return
  const target = document.getElementById(`grant-${decoded(what)}`)
  target?.closest('tr')?.classList.add('target')
  target?.scrollIntoView({ block: 'center' })
  target?.focus()
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    // Somebody typed the fragment by hand.
    if (error instanceof URIError) return text
    throw error
  }
}

const tabs = VIEWS.map((name) =>
  h(
    'button',
    {
      role: 'tab',
      id: `tab-${name}`,
      'aria-controls': 'panel',
      on: {
        click: () => void (location.hash = name),
        keydown: (event) => event instanceof KeyboardEvent && step(event, name),
      },
    },
    TITLES[name],
  ),
)

function step(event: KeyboardEvent, from: View): void {
  const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
  const next = VIEWS[(VIEWS.indexOf(from) + by + VIEWS.length) % VIEWS.length]
  if (by === 0 || next === undefined) return
  event.preventDefault()
  location.hash = next
  document.getElementById(`tab-${next}`)?.focus()
}

const filters = h(
  'fieldset',
  { class: 'filters' },
  h('legend', { class: 'out-of-sight' }, 'Show'),
  ...Object.entries(FILTERS).map(([name, label]) =>
    h(
      'label',
      {},
      h('input', {
        type: 'radio',
        name: 'filter',
        value: name,
        ...(name === 'all' ? { checked: '' } : {}),
        // The name is one of FILTERS' keys.
        on: {
          change: () => {
            filter = name as RowFilter
            draw()
          },
        },
      }),
      h('span', {}, label),
    ),
  ),
)

const THEMES = ['auto', 'light', 'dark'] as const
const theme = h(
  'button',
  {
    class: 'theme',
    title: 'Light or dark',
    on: {
      click: () => {
        const now = THEMES.findIndex((one) => one === (document.documentElement.dataset.theme ?? 'auto'))
        const next = THEMES[(now + 1) % THEMES.length] ?? 'auto'
        document.documentElement.dataset.theme = next
        theme.textContent = `Theme: ${next}`
      },
    },
  },
  'Theme: auto',
)

const unused = model.grants.filter(({ used }) => used === 0).length
const figures = (
  [
    [model.rows.length, 'test file', ''],
    [total(({ denied }) => denied), 'denial', 'bad'],
    [model.hazards.length, 'hazard', 'bad'],
    [total(({ leaks }) => leaks), 'leak', 'bad'],
    [unused, 'unused grant', 'dim'],
  ] as const
).map(([count, what, kind]) =>
  h(
    'li',
    { class: count === 0 ? 'none' : kind },
    h('b', {}, count.toLocaleString('en')),
    ` ${what}${count === 1 ? '' : 's'}`,
  ),
)

document.body.append(
  h(
    'header',
    {},
    h('div', { class: 'title' }, h('h1', {}, 'What the tests used'), h('ul', { class: 'figures' }, ...figures), theme),
    h(
      'div',
      { class: 'bar' },
      h('div', { role: 'tablist', class: 'tabs', 'aria-label': 'Views' }, ...tabs),
      filters,
      search,
      shown,
    ),
  ),
  h('div', { class: 'content' }, panel, side),
)

search.addEventListener('input', draw)
window.addEventListener('hashchange', follow)
document.addEventListener('keydown', (event) => {
  const isTyping = event.target instanceof HTMLInputElement && event.target.type === 'search'
  if (event.key === '/' && !isTyping) {
    event.preventDefault()
    search.focus()
  } else if (event.key === 'Escape' && side.firstChild !== null) close()
})
follow()
