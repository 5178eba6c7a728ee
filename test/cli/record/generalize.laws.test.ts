import * as fc from 'fast-check'
import { expect } from 'vitest'
import type { LedgerLine } from '../../../src/broker/ledger.js'
import { generalize, type Generalized } from '../../../src/cli/record/generalize.js'
import { mergeFiles } from '../../../src/cli/record/merge.js'
import { bindOptions } from '../../../src/policy/bind.js'
import { pathDanger, secretsIn } from '../../../src/policy/dangers.js'
import { compilePolicy, decide, type Policy } from '../../../src/policy/policy.js'
import { bytePath, rawPath } from '../../../src/policy/request.js'
import { parseOptions } from '../../../src/policy/schema.js'
import { describeRequest } from '../../../src/policy/words.js'
import type { Recording, RecordedFile } from '../../../src/vitest/recording.js'
import { law } from '../../laws/law.js'
import { connected, did, recordingOf, worldOf } from './fake-world.js'

const name = fc.constantFrom(
  'a',
  'b',
  'c',
  'src',
  'test',
  'fixtures',
  'x.json',
  'y.json',
  'z.json',
  'w.json',
  '.env',
  '.npmrc',
  '.env.local',
  '.env.4711',
  'id_rsa',
  '[k]',
  'é',
  'a b',
  'tmp-Qx7f3Z',
)
const top = fc.constantFrom('/p', '/p', '/p', '/home/me', '/usr/share', '/', '/tmp')
const somePath = fc
  .tuple(top, fc.array(name, { minLength: 1, maxLength: 4 }))
  .map(([dir, names]) => `${dir === '/' ? '' : dir}/${names.join('/')}`)

/** No path of it is a directory in one place and a file in another. */
const disk = fc
  .uniqueArray(somePath, { maxLength: 25 })
  .map((paths) => paths.filter((path) => !paths.some((other) => other !== path && other.startsWith(`${path}/`))))

const access = fc.constantFrom('read', 'read', 'read', 'write', 'write', 'look', 'execute', 'content', 'move' as const)

/** What a test could do on this disk: files are read, written or made; directories are listed or made. */
const accessesOn = (paths: readonly string[]): fc.Arbitrary<LedgerLine> => {
  const dirs = [
    ...new Set(
      paths.flatMap((path) =>
        path
          .split('/')
          .slice(1, -1)
          .map((_, index, names) => `/${names.slice(0, index + 1).join('/')}`),
      ),
    ),
  ]
  const onFile =
    paths.length === 0
      ? []
      : [
          fc
            .tuple(
              access.filter((one) => one !== 'move'),
              fc.constantFrom(...paths),
            )
            .map(([what, path]) => did(what, path)),
        ]
  const onDir =
    dirs.length === 0
      ? []
      : [
          fc
            .tuple(fc.constantFrom('read', 'look', 'move' as const), fc.constantFrom(...dirs))
            .map(([what, path]) => did(what, path, { there: 'directory' })),
        ]
  const making = somePath
    .filter(
      (path) => !paths.includes(path) && !dirs.includes(path) && !paths.some((other) => path.startsWith(`${other}/`)),
    )
    .map((path) => did('write', path, { there: undefined } as never))
  const port = fc.oneof(fc.constantFrom(0, 80, 3000), fc.integer({ min: 1, max: 65_535 }))
  const socket = fc
    .tuple(fc.constantFrom('127.0.0.1', '::1', '10.0.0.1'), port, fc.constantFrom('connect', 'listen' as const))
    .filter(([, number, what]) => what === 'listen' || number > 0)
    .map(([host, number, what]) => connected(host, number, what))
  return fc.oneof(...onFile, ...onDir, making, socket)
}

const scene = disk.chain((paths) =>
  fc.record({
    paths: fc.constant(paths),
    files: fc.dictionary(
      fc.constantFrom('a.test.ts', 'test/b.test.ts', 'test/c.test.ts', 'test/db/d.test.ts'),
      fc.array(accessesOn(paths), { maxLength: 12 }),
      { minKeys: 1, maxKeys: 4 },
    ),
  }),
)

function policyFor(
  { manifest, files }: Pick<Generalized, 'manifest' | 'files'>,
  recording: Recording,
  file: RecordedFile,
  lookup: ReturnType<typeof worldOf>['lookup'],
): Policy {
  const { root, workspace, home, searchPath } = recording
  const bound = bindOptions(
    parseOptions({ manifest, files }),
    { root, workspace, home, searchPath, tmp: file.tmp, file: root, lookup },
    file.file,
  )
  return compilePolicy({ mode: 'enforce', ...bound })
}

const places = { root: '/p', workspace: '/p', home: '/home/me' }

law(
  'everything that was recorded is granted to whom it was recorded of, told as dangerous, or told as not to be granted',
  { cases: 80 },
  [scene, fc.boolean()],
  ({ paths, files }, acceptDangerous) => {
    const world = worldOf(paths)
    const recording = recordingOf(files)
    const found = generalize(recording, world, { acceptDangerous })
    for (const file of recording.files) {
      const policy = policyFor(found, recording, file, world.lookup)
      for (const { request, there } of file.accesses) {
        if (request.kind === 'pair') throw new Error('no call asks for an end of a pair')
        if (decide(policy, request).allowed || [...found.uncovered, ...found.unseen].includes(describeRequest(request)))
          continue
        if (request.kind !== 'path')
          throw new Error(`not covered: ${describeRequest(request)}\n${JSON.stringify(found, null, 1)}`)
        const list =
          request.access === 'execute'
            ? 'exec'
            : request.access === 'read' || request.access === 'look'
              ? 'read'
              : 'write'
        expect(
          pathDanger(request.path, list, there === 'directory' || request.access === 'move', places),
          `${describeRequest(request)}\n${JSON.stringify(found, null, 1)}`,
        ).toBeDefined()
        expect(
          acceptDangerous && request.access !== 'look',
          `${describeRequest(request)}\n${JSON.stringify(found, null, 1)}`,
        ).toBe(false)
      }
    }
  },
)

law(
  'no secret is granted that was not recorded, and none at all that nobody accepted',
  { cases: 80 },
  [scene, fc.boolean()],
  ({ paths, files }, acceptDangerous) => {
    const world = worldOf(paths)
    const recording = recordingOf(files)
    const found = generalize(recording, world, { acceptDangerous })
    const secrets = secretsIn(bytePath('/'), world.names)
    if (secrets === 'unknown') throw new Error('too many')
    for (const file of recording.files) {
      const policy = policyFor(found, recording, file, world.lookup)
      const recorded = new Set(
        recording.files
          .flatMap(({ accesses }) => accesses)
          .flatMap(({ request }) => (request.kind === 'path' ? [request.path] : [])),
      )
      for (const secret of secrets) {
        const wasAsked = [...recorded].some(
          (path) => path === secret || secret.startsWith(`${path === '/' ? '' : path}/`),
        )
        if (acceptDangerous && wasAsked) continue
        expect(
          decide(policy, { kind: 'path', access: 'read', path: secret }).allowed,
          `${secret}\n${JSON.stringify(found, null, 1)}`,
        ).toBe(false)
      }
      // Nothing of a home directory, and nothing beside what was asked for at the top of the machine.
      if (!acceptDangerous)
        expect(decide(policy, { kind: 'path', access: 'read', path: rawPath('/home/me/never-seen') }).allowed).toBe(
          false,
        )
    }
  },
)

law(
  'the same accesses in another order make the same manifest, and recording once more changes nothing',
  { cases: 50 },
  [scene, fc.array(fc.nat(1000), { minLength: 1, maxLength: 12 })],
  ({ paths, files }, chance) => {
    const world = worldOf(paths)
    const first = generalize(recordingOf(files), world, { acceptDangerous: true })
    const shuffled = Object.fromEntries(
      Object.entries(files)
        .toReversed()
        .map(([file, accesses]) => [
          file,
          [...accesses]
            .map((one, index) => [chance[index % chance.length] ?? 0, one] as const)
            .sort(([a], [b]) => a - b)
            .map(([, one]) => one),
        ]),
    )
    const again = generalize({ ...recordingOf(shuffled), testFiles: Object.keys(files) }, world, {
      acceptDangerous: true,
    })
    expect(JSON.stringify({ manifest: again.manifest, files: again.files })).toBe(
      JSON.stringify({ manifest: first.manifest, files: first.files }),
    )
    const merged = mergeFiles({}, first)
    expect(mergeFiles(merged, first)).toEqual(merged)
  },
)
