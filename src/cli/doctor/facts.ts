/** Collects facts about this machine, by looking and by trying. */
import { existsSync, mkdtempSync, readFileSync, rmdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isMusl } from '../../broker/libc.js'
import { isPlugAndPlay } from '../../broker/plug-n-play.js'
import { codeOf } from '../../errors.js'
import { MANIFEST_FILE } from '../../policy/manifest.js'
import { isOldNode } from '../../project/node-version.js'
import type { KernelSupport } from '../../sys/probe.js'
import { textOf } from '../../sys/text-of.js'
import { yamaFacts } from '../../sys/yama.js'
import { tryWaysOut, type Escapes } from './escapes.js'

export interface MachineFacts {
  readonly platform: string
  readonly arch: string
  /** True if this Node is built for musl. */
  readonly musl: boolean
  /** True if yarn's Plug'n'Play loads packages. */
  readonly plugAndPlay: boolean
  /** The abilities of the kernel. Undefined if koffi cannot be loaded; `koffi` then has the reason. */
  readonly kernel: KernelSupport | undefined
  readonly koffi: string | undefined
  /** The active security modules: /sys/kernel/security/lsm. */
  readonly lsm: readonly string[] | undefined
  /** kernel.yama.ptrace_scope; undefined if there is no Yama. */
  readonly yama: number | undefined
  readonly container: 'docker' | 'podman' | 'kubernetes' | 'another' | undefined
  /** True if this process already has a filter: /proc/self/status, Seccomp. */
  readonly filtered: boolean
  readonly canTrace: boolean
  /** True if a thread can have its own working directory and umask. */
  readonly ownState: boolean
  readonly node: string
  readonly vitest: string | undefined
  /**
   * `manifest`: the manifest file in the working directory; `runner` if it has that part. `scripts`: the scripts of its
   * package.json that start `vitest-seccomp run`.
   */
  readonly project: { readonly manifest: 'none' | 'tests' | 'runner'; readonly scripts: readonly string[] }
  readonly tmp: { readonly path: string; readonly writable: boolean }
  /** Undefined if no worker could be tried. Another fact then has the reason. */
  readonly escapes: Escapes | undefined
}

export async function gather(): Promise<MachineFacts> {
  const musl = process.platform === 'linux' && isMusl(process.execPath)
  const plugAndPlay = isPlugAndPlay()
  const { kernel, koffi, ownState } = await kernelFacts()
  const status = textOf('/proc/self/status')
  const yama = yamaFacts()
  const canRun =
    !musl &&
    !plugAndPlay &&
    !isOldNode(process.versions.node) &&
    kernel?.userNotification === true &&
    kernel.injectAndReturn &&
    kernel.openat2 &&
    kernel.readsMemory
  return {
    platform: process.platform,
    arch: process.arch,
    musl,
    plugAndPlay,
    kernel,
    koffi,
    ownState,
    lsm: textOf('/sys/kernel/security/lsm')?.trim().split(','),
    yama: yama.scope,
    container: container(),
    filtered: /^Seccomp:\s*2$/m.test(status ?? ''),
    canTrace: yama.canTrace,
    node: process.version,
    vitest: vitestVersion(),
    project: projectHere(),
    tmp: { path: tmpdir(), writable: isWritable(tmpdir()) },
    escapes: canRun ? await tryWaysOut() : undefined,
  }
}

async function kernelFacts(): Promise<Pick<MachineFacts, 'kernel' | 'koffi' | 'ownState'>> {
  if (process.platform !== 'linux') return { kernel: undefined, koffi: undefined, ownState: false }
  try {
    const { probeKernel } = await import('../../sys/probe.js')
    const { ownFileSystemState } = await import('../../sys/confine.js')
    return { kernel: probeKernel(), koffi: undefined, ownState: ownFileSystemState() === 'own' }
  } catch (error) {
    return {
      kernel: undefined,
      koffi: (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '',
      ownState: false,
    }
  }
}

function container(): MachineFacts['container'] {
  if (process.env.KUBERNETES_SERVICE_HOST !== undefined) return 'kubernetes'
  if (existsSync('/.dockerenv')) return 'docker'
  if (existsSync('/run/.containerenv')) return 'podman'
  return /docker|containerd|kubepods|lxc/.test(textOf('/proc/self/cgroup') ?? '') ? 'another' : undefined
}

/** The version of the Vitest that a run here would use. */
function vitestVersion(): string | undefined {
  try {
    const require = createRequire(pathToFileURL(join(process.cwd(), 'package.json')))
    const found: unknown = JSON.parse(readFileSync(require.resolve('vitest/package.json'), 'utf8'))
    return found instanceof Object && 'version' in found ? String(found.version) : undefined
  } catch (error) {
    if (codeOf(error) !== undefined) return undefined
    throw error
  }
}

function projectHere(): MachineFacts['project'] {
  const manifest = objectIn(MANIFEST_FILE)
  const scripts = Object.entries(Object(objectIn('package.json')?.scripts))
  return {
    manifest: manifest === undefined ? 'none' : 'runner' in manifest ? 'runner' : 'tests',
    scripts: scripts.flatMap(([name, script]) => (/\bvitest-seccomp\s+run\b/.test(String(script)) ? [name] : [])),
  }
}

/** The object in a JSON file; undefined for any other file, because the program that uses it reports the mistake. */
function objectIn(file: string): Readonly<Record<string, unknown>> | undefined {
  const text = textOf(join(process.cwd(), file))
  try {
    const found: unknown = text === undefined ? undefined : JSON.parse(text.replace(/^\uFEFF/, ''))
    return found instanceof Object ? { ...found } : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function isWritable(dir: string): boolean {
  try {
    rmdirSync(mkdtempSync(join(dir, 'vitest-seccomp-doctor-')))
    return true
  } catch (error) {
    if (codeOf(error) !== undefined) return false
    throw error
  }
}
