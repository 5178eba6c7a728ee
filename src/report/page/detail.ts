/** The view of one test file: everything that it used, and the grants that allowed it. */
import type { ReportFile, Use } from '../data.js'
import { counted, h, span } from './dom.js'
import { shorten, type FileRow } from './model.js'

const MOST = 500

export function detail(row: FileRow, close: () => void): HTMLElement {
  const { source } = row
  const { denials, facts } = source
  const uses = facts?.uses ?? []
  const unused = (facts?.grants ?? []).filter(({ at }) => row.grants.get(`${source.project}\0${at}`) === 'unused')
  return h(
    'aside',
    { class: 'detail', role: 'dialog', 'aria-label': row.name, tabindex: -1 },
    h('button', { class: 'close', 'aria-label': 'Close', title: 'Close (Escape)', on: { click: close } }, '✕'),
    h('h2', {}, row.name),
    h(
      'p',
      { class: 'hint' },
      facts === undefined
        ? 'It ended before it could tell what it used.'
        : `${counted(uses.length, 'use')}, ${span(facts.ended - facts.began)}, process ${facts.pid}${facts.overflow ? '; there was more than is kept' : ''}`,
    ),
    section(
      'Denied',
      denials.map(({ message, test }) =>
        h('li', {}, test === undefined ? undefined : h('div', { class: 'test' }, test), h('pre', {}, message)),
      ),
    ),
    section(
      'Left open',
      (facts?.leaks ?? []).map(({ what, kind, test }) =>
        h(
          'li',
          {},
          h('code', {}, shorten(what, source)),
          ' ',
          h('small', {}, kind),
          test === undefined ? undefined : h('div', { class: 'test' }, test),
        ),
      ),
    ),
    ...kinds.map(([title, of]) =>
      section(
        title,
        uses.filter((use) => use.outcome === 'allowed' && of.includes(use.access)).map((use) => line(use, source)),
      ),
    ),
    section(
      'Hidden: looked at, and shown as not there',
      uses.filter(({ outcome }) => outcome === 'hidden').map((use) => line(use, source)),
    ),
    section(
      'Granted, but unused',
      unused.map((grant) =>
        h('li', {}, h('span', { class: `tag list-${grant.list}` }, grant.list), ' ', grantLink(grant.at, grant.source)),
      ),
    ),
  )
}

const kinds: readonly (readonly [string, readonly Use['access'][]])[] = [
  ['Written', ['write']],
  ['Read', ['read']],
  ['Run', ['execute']],
  ['Connected', ['connect']],
  ['Listened on', ['listen']],
]

function section(title: string, items: readonly HTMLElement[]): HTMLElement | undefined {
  if (items.length === 0) return undefined
  return h(
    'section',
    {},
    h('h3', {}, `${title} `, h('small', {}, String(items.length))),
    h('ul', {}, ...items.slice(0, MOST)),
    items.length > MOST ? h('p', { class: 'hint' }, `and ${items.length - MOST} more`) : undefined,
  )
}

function line({ what, count, test, by, call, outcome }: Use, source: ReportFile): HTMLElement {
  const grant = source.facts?.grants.find(({ at }) => at === by)
  const times = count === 1 ? call : `${call} × ${count}`
  return h(
    'li',
    {},
    h('code', {}, shorten(what, source)),
    ' ',
    h('small', {}, times),
    ' ',
    grant === undefined
      ? by === 'base'
        ? h('small', {}, 'always granted')
        : outcome === 'hidden' && by !== undefined
          ? h('small', {}, `refused by ${by}`)
          : undefined
      : grantLink(grant.at, grant.source),
    test === undefined ? undefined : h('div', { class: 'test' }, test),
  )
}

function grantLink(at: string, source: string): HTMLElement {
  return h('a', { class: 'grant-link', href: `#grants/${encodeURIComponent(at)}`, title: at }, source)
}
