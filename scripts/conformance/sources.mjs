/** Brings the suites to a directory, and builds them as their own pages say. Nothing of them is part of this project. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** Node's tests as https://github.com/denoland/node_test keeps them, by the major version that runs them. */
const NODE_TESTS = {
  20: 'be77956923934fee955d80a3e53c4fa493fe1be0',
  24: '170b25ab9080b9d58d21b582fbf28ee5676b8387',
  25: 'c5baef08e6692c16940b82e2ee5d778a11da64d7',
}

/** `make(source, to)`: commands that build in a checkout, and leave what is run in `to`. Without one the checkout is what is run. */
const SOURCES = {
  node: (runtime) => {
    const [, major] = /^v(\d+)/.exec(execFileSync(runtime, ['--version'], { encoding: 'utf8' }))
    const commit = NODE_TESTS[major]
    if (commit === undefined)
      throw new Error(`Node ${major} has no tests here: --runtime takes one of ${Object.keys(NODE_TESTS).join(', ')}`)
    return { name: `node-${major}`, repository: 'denoland/node_test', commit }
  },
  ltp: () => ({
    name: 'ltp',
    repository: 'linux-test-project/ltp',
    commit: '695827725f4fc14fe583043127e0335c29bbd52d',
    needs: ['autoconf', 'automake', 'm4', 'make', 'gcc', 'pkg-config'],
    make(source, to) {
      const calls = ['-k', '-C', 'testcases/kernel/syscalls']
      must('make', ['autotools'], source)
      must('./configure', [`--prefix=${to}`, '--disable-metadata'], source)
      // Some need libraries that are not there: those that could be built are what is run.
      run('make', ['-j2', ...calls], source)
      run('make', [...calls, 'install'], source)
      for (const file of ['runtest/syscalls', 'VERSION']) cpSync(join(source, file), join(to, file))
    },
  }),
  pjdfstest: () => ({
    name: 'pjdfstest',
    repository: 'pjd/pjdfstest',
    commit: '85a8aea9e685999ef0540392fd80535f873d7ff7',
    needs: ['autoconf', 'automake', 'make', 'gcc'],
    make(source, to) {
      must('autoreconf', ['-ifs'], source)
      must('./configure', [], source)
      must('make', ['pjdfstest'], source)
      cpSync(source, to, { recursive: true, filter: (path) => !path.includes('/.git') })
      writeFileSync(join(to, 'VERSION'), `${this.commit.slice(0, 7)}\n`)
    },
  }),
}

/** The directory of a suite below `dir`, made once. `mirrors`: git directories `<owner>+<name>/repo` in the place of GitHub. */
export function bring(suite, { dir, mirrors, runtime }) {
  const source = SOURCES[suite](runtime)
  const to = join(dir, source.name)
  const done = join(dir, `${source.name}-${source.commit.slice(0, 12)}`)
  if (existsSync(done)) return to
  const missing = (source.needs ?? []).filter((program) => spawnSync('which', [program]).status !== 0)
  if (missing.length > 0) throw new Error(`${suite}: is built with ${missing.join(', ')}, which this machine lacks`)
  const checkout = source.make === undefined ? to : `${to}-source`
  for (const path of [to, checkout]) rmSync(path, { recursive: true, force: true })
  checkOut(source, checkout, mirrors)
  source.make?.(checkout, to)
  writeFileSync(done, '')
  return to
}

function checkOut({ repository, commit }, to, mirrors) {
  mkdirSync(to, { recursive: true })
  if (mirrors === undefined) {
    must('git', ['init', '--quiet'], to)
    must('git', ['fetch', '--quiet', '--depth=1', `https://github.com/${repository}.git`, commit], to)
    must('git', ['checkout', '--quiet', 'FETCH_HEAD'], to)
    return
  }
  const mirror = [`--git-dir=${join(resolve(mirrors), repository.replace('/', '+'), 'repo')}`, `--work-tree=${to}`]
  const env = { ...process.env, GIT_INDEX_FILE: `${to}.index` }
  must('git', [...mirror, 'read-tree', commit], to, env)
  // A copy may lack its largest files, of which no test is one.
  run('git', [...mirror, 'checkout-index', '--all', '--quiet'], to, env)
  rmSync(`${to}.index`, { force: true })
}

function run(command, args, cwd, env = process.env) {
  return spawnSync(command, args, { cwd, env, encoding: 'utf8', maxBuffer: 1 << 28 })
}

function must(command, args, cwd, env) {
  const { status, signal, stderr, error } = run(command, args, cwd, env)
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? signal ?? status}\n${stderr?.slice(-2000)}`)
}
