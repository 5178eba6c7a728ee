/** Presets: manifests by name, for programs that many tests use. They are small, and `explain --preset` prints them. */
import { hasMagic } from './glob.js'
import type { Manifest } from './manifest.js'
import { invalid, nearest, oneOf, valid, type Parsed } from './nearest.js'

type Lists = Omit<Manifest, 'resources' | 'use'>

interface Preset {
  readonly summary: string
  /** The name of the parameter after the colon, as in `sqlite:data/test.db`; none for a preset that takes none. */
  readonly parameter?: string
  readonly lists: (parameter: string) => Lists
}

const GIT_CORE = ['/usr/lib/git-core/', '/usr/libexec/git-core/']

export const presets: { readonly [name: string]: Preset } = {
  git: {
    summary: 'git and its own programs; settings of the user seem not to be there',
    lists: () => ({
      exec: ['git', ...GIT_CORE],
      read: ['/usr/share/git-core/', '/etc/gitconfig'],
      deny: ['<home>/.gitconfig', '<home>/.config/git/', '<home>/.git-credentials'],
    }),
  },
  npm: {
    summary: 'npm and npx, without the network; settings of the user seem not to be there',
    lists: () => ({
      exec: ['npm', 'npx', 'node', 'sh'],
      read: [
        '/usr/lib/node_modules/npm/',
        '/usr/local/lib/node_modules/npm/',
        '/usr/share/nodejs/',
        '/etc/npmrc',
        '/usr/etc/npmrc',
        '/usr/local/etc/npmrc',
      ],
      deny: ['<home>/.npmrc', '<home>/.npm/'],
    }),
  },
  fontconfig: {
    summary: 'the fonts of this machine, for what draws text; those of the user seem not to be there',
    lists: () => ({
      read: [
        '/etc/fonts/',
        '/usr/share/fontconfig/',
        '/usr/share/fonts/',
        '/usr/local/share/fonts/',
        '/usr/share/xml/fontconfig/',
        '/var/cache/fontconfig/',
      ],
      deny: ['<home>/.config/fontconfig/', '<home>/.cache/fontconfig/', '<home>/.local/share/fonts/', '<home>/.fonts/'],
    }),
  },
  sqlite: {
    summary: 'a database file, and what SQLite keeps beside it',
    parameter: 'file',
    lists: (file) => ({ write: [file, `${file}-journal`, `${file}-wal`, `${file}-shm`] }),
  },
  postgres: {
    summary: 'the PostgreSQL server of this machine; passwords of the user seem not to be there',
    lists: () => ({
      connect: ['tcp:localhost:5432', 'unix:/run/postgresql/.s.PGSQL.5432', 'unix:/tmp/.s.PGSQL.5432'],
      deny: ['<home>/.pgpass', '<home>/.pg_service.conf', '<home>/.postgresql/'],
    }),
  },
  docker: {
    summary: 'the Docker daemon. DANGEROUS: whoever talks to it owns this machine',
    lists: () => ({ exec: ['docker'], connect: ['unix:/run/docker.sock'], deny: ['<home>/.docker/'] }),
  },
  playwright: {
    summary: 'the browsers that Playwright has installed for this user',
    lists: () => ({
      exec: ['<home>/.cache/ms-playwright/'],
      read: ['<home>/.cache/ms-playwright/', '/etc/fonts/', '/usr/share/fonts/'],
    }),
  },
}

/** Parses the name of a preset, and gives its lists. */
export function parsePreset(source: string): Parsed<{ readonly source: string; readonly lists: Lists }> {
  const [, name = '', parameter] = /^([^:]*)(?::(.*))?$/s.exec(source) ?? []
  const preset = Object.hasOwn(presets, name) ? presets[name] : undefined
  if (preset === undefined) return invalid(oneOf(Object.keys(presets)), source, nearest(name, Object.keys(presets)))
  if (preset.parameter === undefined && parameter !== undefined) return invalid(`${name} alone`, source, name)
  // A tree or a glob would be more than the one file.
  if (preset.parameter !== undefined && (parameter === undefined || /^$|\/$/.test(parameter) || hasMagic(parameter)))
    return invalid(`${name}:<${preset.parameter}>`, source)
  return valid({ source, lists: preset.lists(parameter ?? '') })
}
