/**
 * The tests that need no Linux: they speak of it as data, and pass on any system. Elsewhere `npm test` runs only these
 * (vitest.config.ts), and test/layers.test.ts holds that nothing they import calls the kernel.
 */
export const PURE_TESTS: readonly string[] = [
  'test/abi/**/*.test.ts',
  'test/bpf/!(live*).test.ts',
  'test/broker/{incidents,ledger}.test.ts',
  'test/contracts/**/*.test.ts',
  'test/laws/**/*.test.ts',
  'test/policy/**/*.test.ts',
  'test/syscalls/!(table).test.ts',
  'test/vitest/gate/{message,module-id,size}.test.ts',
  'test/{framing,protocol,framing.laws,protocol.laws,layers,limits}.test.ts',
]
