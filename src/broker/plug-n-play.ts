/** Yarn's Plug'n'Play, which leaves packages in archives: https://yarnpkg.com/features/pnp. */

type Versions = Readonly<Record<string, string | undefined>>

/** True if this process loads packages by it. */
export function isPlugAndPlay(versions: Versions = process.versions): boolean {
  return versions.pnp !== undefined
}

/** The parts that it lacks, in words. A worker could load a package only by code of yarn's that ran before its filter. */
export function missingByPlugAndPlay(versions?: Versions): readonly string[] {
  if (!isPlugAndPlay(versions)) return []
  return [
    "packages in node_modules: yarn's Plug'n'Play keeps them in archives, and its loader would run in a worker before the filter. " +
      'Write in .yarnrc.yml: nodeLinker: node-modules',
  ]
}
