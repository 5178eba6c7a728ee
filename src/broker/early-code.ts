/** Options and variables by which Node, libc and OpenSSL load or run something in a process before its filter. */
import { realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { splitNodeOptions, splitOption } from '../project/node-options.js'
import { StartFailure } from './outputs.js'

/**
 * Options that by themselves open no file, load no code and make no connection, neither now nor at the end of the
 * process: node(1).
 */
const HARMLESS =
  /^--(?:no-)?(?:warnings|deprecation|trace-warnings|trace-deprecation|trace-uncaught|trace-exit|expose-gc|expose_gc|enable-source-maps|experimental-(?:import-meta-resolve|vm-modules|require-module|detect-module|strip-types|transform-types|global-webcrypto|global-customevent|fetch|websocket|wasm-modules|network-inspection|sqlite|webstorage)|preserve-symlinks|preserve-symlinks-main|network-family-autoselection|force-async-hooks-checks|verify-base-objects|frozen-intrinsics|disable-warning|dns-result-order|unhandled-rejections|stack-trace-limit|stack-size|max-old-space-size|max_old_space_size|max-semi-space-size|min-semi-space-size|max-http-header-size|conditions|harmony(?:-[a-z-]+)?|jitless|interpreted-frames-native-stack|single-threaded|zero-fill-buffers)$/
/** Options whose value may stand in the next word. */
const WITH_VALUE = /^(?:--conditions|-C|--disable-warning|--dns-result-order|--unhandled-rejections)$/

/**
 * Returns `args` if all of them are harmless; Vitest's own preloads are. Throws a StartFailure that names the first
 * that is not.
 */
export function withoutEarlyCode(args: readonly string[], vitestDirs: readonly string[]): readonly string[] {
  const packages = vitestDirs.map((dir) => dirname(dir))
  const rest = [...args]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [name = '', inline] = splitOption(arg)
    if (name === '--require' || name === '-r' || name === '--import') {
      const module = inline ?? rest.shift() ?? ''
      if (packages.some((dir) => module.startsWith(`${dir}/`) && realpathSync(module) === module)) continue
    } else if (name === '-C' || HARMLESS.test(name)) {
      if (inline === undefined && WITH_VALUE.test(name)) rest.shift()
      continue
    }
    throw new StartFailure(
      'confined runner',
      `vitest-seccomp run starts no worker with ${arg}: it is not known to open nothing and run nothing before the filter. ` +
        'What tests are to preload belongs into setupFiles',
    )
  }
  return args
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

/**
 * Removes from `env` those of these variables whose value differs from that in which the run was started. NODE_OPTIONS
 * may differ in harmless options: the pool takes out of it what is to be loaded after the filter.
 */
export function withoutForeignEnv(
  env: Readonly<Record<string, string>>,
  outside: Readonly<Record<string, string>>,
  vitestDirs: readonly string[],
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(([name, value]) => {
      if (!EARLY.test(name) || outside[name] === value) return true
      if (name !== 'NODE_OPTIONS') return false
      withoutEarlyCode(splitNodeOptions(value), vitestDirs)
      return true
    }),
  )
}
