/** What starts as a thread or process of its own, each as one file: it starts faster than a tree of modules. */
import { build } from 'esbuild'

export async function bundleThreads(root, out) {
  const common = {
    absWorkingDir: root, bundle: true, platform: 'node', target: 'node20', external: ['koffi', './runtime-3.js'], logLevel: 'warning', legalComments: 'none', outdir: `${out}/threads`,
  }
  await build({ ...common, format: 'esm', entryPoints: { broker: 'src/broker/thread.ts', spawner: 'src/broker/spawner-thread.ts', runtime: 'src/child/runtime.ts', 'runtime-3': 'src/child/runtime-3.ts', 'plain-3': 'src/child/plain-3.ts' },
    banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" } })
  await build({ ...common, format: 'cjs', entryPoints: { child: 'src/child/entry.ts' }, outExtension: { '.js': '.cjs' } })
}
