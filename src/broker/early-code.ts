/** Options and variables by which Node, libc and OpenSSL load or run something in a process before its filter. */
import { joinNodeOptions, splitNodeOptions, splitOption } from '../project/node-options.js'
import { preloadOf } from '../project/vitest-modules.js'
import { NOT_GIVEN, StartFailure } from './outputs.js'

/**
 * Options that by themselves open no file, load no code and make no connection, neither now nor at the end of the
 * process: node(1). `--preserve-symlinks` is none of them: beside links to packages, as pnpm makes them, Node then finds other
 * copies of what Vitest depends on, and a worker loads these before its filter.
 */
const HARMLESS =
  /^--(?:no-)?(?:warnings|deprecation|trace-warnings|trace-deprecation|trace-uncaught|trace-exit|expose-gc|enable-source-maps|experimental-(?:import-meta-resolve|vm-modules|require-module|detect-module|strip-types|transform-types|global-webcrypto|global-customevent|fetch|websocket|wasm-modules|network-inspection|sqlite|webstorage)|preserve-symlinks-main|network-family-autoselection|force-async-hooks-checks|verify-base-objects|frozen-intrinsics|disable-warning|dns-result-order|unhandled-rejections|stack-trace-limit|stack-size|max-old-space-size|max-semi-space-size|min-semi-space-size|max-http-header-size|conditions|harmony(?:-[a-z-]+)?|jitless|interpreted-frames-native-stack|single-threaded|zero-fill-buffers)$/
/** Options whose value may stand in the next word. */
const WITH_VALUE =
  /^(?:--conditions|-C|--disable-warning|--dns-result-order|--unhandled-rejections|--max-http-header-size)$/

/** Options that load code: even the user's own modules come after the filter. */
const LOADING = /^(?:--require|-r|--import|--loader|--experimental-loader)$/

/** Each option with the words of its value: Node takes no word with a dash for one. */
function optionsOf(args: readonly string[]): readonly (readonly string[])[] {
  const found: string[][] = []
  for (const arg of args) {
    const last = found.at(-1)
    if (last === undefined || arg.startsWith('-')) found.push([arg])
    else last.push(arg)
  }
  return found
}

function isHarmless([first = '', ...values]: readonly string[], preloads: readonly string[]): boolean {
  const [name, inline] = splitOption(first)
  const [value, ...more] = inline === undefined ? values : [inline, ...values]
  if (more.length > 0) return false
  if (name === '--require') return preloads.includes(value ?? '')
  return (name === '-C' || HARMLESS.test(name)) && (inline !== undefined || WITH_VALUE.test(name) === values.length > 0)
}

/**
 * Finds the first of these options that is not known to be harmless; Vitest's own preload is. `own`: words of the user's,
 * whose options pass as they are, unless they load code.
 */
export function earlyOption(
  args: readonly string[],
  vitestDirs: readonly string[],
  own: readonly string[] = [],
): string | undefined {
  const preloads = vitestDirs.map(preloadOf)
  const known = new Set(
    optionsOf(own)
      .filter(([first = '']) => !LOADING.test(splitOption(first)[0]))
      .map((option) => JSON.stringify(option)),
  )
  return optionsOf(args)
    .find((option) => !isHarmless(option, preloads) && !known.has(JSON.stringify(option)))
    ?.join(' ')
}

/** Returns `args` if all of them are harmless or `own`. Throws a StartFailure that names the first that is not. */
export function withoutEarlyCode(
  args: readonly string[],
  vitestDirs: readonly string[],
  own: readonly string[] = [],
): readonly string[] {
  const early = earlyOption(args, vitestDirs, own)
  if (early === undefined) return args
  throw new StartFailure(
    NOT_GIVEN,
    `vitest-seccomp run starts no worker with ${early}: it is not known to open nothing and run nothing before the filter. ` +
      'What tests are to preload belongs into setupFiles',
  )
}

/** Variables by which libc, its loader, OpenSSL, ICU or Node load code, open files, or write them. */
const EARLY = new RegExp(
  '^(?:' +
    [
      // ld.so(8), environ(7), locale(7), resolver(5)
      'LD_.*|GCONV_PATH|GETCONF_DIR|GLIBC_TUNABLES|HOSTALIASES|LOCALDOMAIN|LOCPATH|MALLOC_TRACE|NIS_PATH|NLSPATH|RES_OPTIONS|RESOLV_.*|TZDIR',
      'OPENSSL_.*|SSL_CERT_.*|SSLKEYLOGFILE|ICU_.*|UV_.*|BASH_ENV',
      // node(1), "Environment"
      'NODE_(?:OPTIONS|EXTRA_CA_CERTS|ICU_DATA|PATH|REDIRECT_WARNINGS|REPL_.*|V8_COVERAGE|COMPILE_CACHE.*|CHANNEL_.*|UNIQUE_ID|DEBUG_NATIVE|USE_.*|TLS_.*)',
    ].join('|') +
    ')$',
)

/** True for a variable by which something is loaded, opened or written before a filter. */
export function isEarly(name: string): boolean {
  return EARLY.test(name)
}

/** Variables that modules of Vitest's look at once, when they are loaded; nothing is opened or run because of them. */
const REMEMBERED = /^(?:FORCE_TTY|FORCE_COLOR|NO_COLOR|TERM|CI|DEBUG|NODE_ENV)$/

/** The texts in variables that may name what is loaded or read before a filter. */
export function namedEarly(env: Readonly<Partial<Record<string, string>>>): readonly string[] {
  return Object.entries(env).flatMap(([name, value = '']) => {
    if (name === 'NODE_OPTIONS') return splitNodeOptions(value).map((word) => splitOption(word)[1] ?? word)
    return isEarly(name) ? [value, ...value.split(/[: ]/)] : []
  })
}

/**
 * Splits a worker's variables. It is born with those that were the same when the run was started, and with those of REMEMBERED
 * (`born`); the others are set after its filter (`set`), where libc, its loader, OpenSSL and Node have read theirs. Those of
 * EARLY are left out. NODE_OPTIONS may differ in what is harmless, and has to in what loads code: the pool takes out of it what
 * is to be loaded after the filter.
 */
export function splitEnv(
  env: Readonly<Record<string, string>>,
  outside: Readonly<Record<string, string>>,
  vitestDirs: readonly string[],
): { readonly born: Record<string, string>; readonly set: Record<string, string> } {
  const born: Record<string, string> = {}
  const set: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (name === 'NODE_OPTIONS') {
      const own = splitNodeOptions(outside[name] ?? '')
      // Joined of the very words that were judged.
      born[name] = joinNodeOptions(withoutEarlyCode(splitNodeOptions(value), vitestDirs, own))
    } else if (outside[name] === value) born[name] = value
    else if (REMEMBERED.test(name)) born[name] = value
    else if (!isEarly(name)) set[name] = value
  }
  return { born, set }
}
