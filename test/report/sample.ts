/** Reports as a run would leave them, of any size; the same for the same arguments. */
import type { TestFileFacts, Grant, ReportFile, Use } from '../../src/report/data.js'

export const START = 1_700_000_000_000

const GRANTS: readonly Grant[] = [
  ['read', 'test/fixtures/'],
  ['read', 'package.json'],
  ['read', 'docs/**/*.md'],
  ['read', 'locales/'],
  ['write', '<tmp>/'],
  ['write', 'test/output/'],
  ['exec', 'git'],
  ['exec', './scripts/seed.sh'],
  ['connect', 'tcp:127.0.0.1:5432'],
  ['connect', 'unix:/run/postgresql/.s.PGSQL.5432'],
  ['listen', 'tcp:127.0.0.1:0'],
  ['read', 'never/used/'],
].map(([list = '', source = ''], index) => ({ list, source, at: `manifest.${list}[${index}]` }))

function use(access: Use['access'], what: string, by: string | undefined, at: number, more: Partial<Use> = {}): Use {
  return {
    access,
    what,
    outcome: 'allowed',
    call: 'openat',
    operation: 'open',
    ...(by === undefined ? {} : { by }),
    test: 'does something > in a suite',
    first: at,
    last: at + 5,
    count: 3,
    ...more,
  }
}

function factsOf(index: number): TestFileFacts {
  const began = START + Math.floor(index / 4) * 120
  const at = (grant: number): string => GRANTS[grant]?.at ?? ''
  const denied = index % 17 === 3
  return {
    run: 'one',
    pid: 4000 + index,
    began,
    ended: began + 90 + (index % 7) * 20,
    root: '/work/project',
    home: '/home/me',
    overflow: false,
    grants: GRANTS,
    uses: [
      ...Array.from({ length: 3 + (index % 20) }, (_, n) =>
        use('read', `/work/project/test/fixtures/${index % 50}/data-${n}.json`, at(0), began + n),
      ),
      use('read', '/work/project/package.json', at(1), began + 2),
      ...Array.from({ length: index % 6 }, (_, n) => use('write', `<tmp>/out-${n}`, at(4), began + 20 + n)),
      ...(index % 9 === 0 || index % 80 === 1
        ? [use('write', '/work/project/test/output/log.txt', at(5), began + 30)]
        : []),
      ...(index % 5 === 0 ? [use('connect', 'tcp:127.0.0.1:5432', at(8), began + 40)] : []),
      ...(index % 8 === 0 ? [use('execute', '/usr/bin/git', at(6), began + 50)] : []),
      ...(index % 11 === 0 ? [use('listen', `tcp:127.0.0.1:${20_000 + index}`, at(10), began + 50)] : []),
      ...(denied ? [use('read', '/home/me/.npmrc', undefined, began + 60, { outcome: 'denied' })] : []),
      ...(index % 13 === 0
        ? [use('look', '/work/project/tsconfig.json', undefined, began + 8, { outcome: 'hidden' })]
        : []),
    ],
    opened: { file: 4 + (index % 20), directory: 1, socket: index % 5 === 0 ? 2 : 0 },
    leaks:
      index % 101 === 7
        ? [{ kind: 'socket', what: 'tcp:127.0.0.1:5432', descriptor: 23, test: 'connects', opened: began + 41 }]
        : [],
  }
}

export function sampleFile(index: number): ReportFile {
  const facts = factsOf(index)
  const denied = facts.uses.filter(({ outcome }) => outcome === 'denied')
  return {
    project: '',
    file: `test/${['unit', 'api', 'db', 'web'][index % 4] ?? ''}/area-${index % 37}/case-${String(index).padStart(4, '0')}.test.ts`,
    state: denied.length > 0 ? 'fail' : 'pass',
    denials: denied.map(({ what, call, test = '' }) => ({
      call,
      resource: what,
      test,
      line: "read: ['<home>/.npmrc']",
      message: `  refused: open ${what} for reading\n  because: no entry covers it\n  to allow it, add to the manifest: read: ['<home>/.npmrc']`,
    })),
    facts,
  }
}

export function sample(files: number): ReportFile[] {
  return Array.from({ length: files }, (_, index) => sampleFile(index))
}
