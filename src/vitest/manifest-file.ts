/** `manifest: './seccomp.manifest.json'`: read when the run starts. */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ParsedOptions } from '../policy/manifest.js'
import { withManifestFile } from '../policy/schema.js'
import { recordingDir } from './recording.js'

/** The options with their manifest, wherever it stands. Throws a ManifestError that names the file. */
export function withManifest(options: ParsedOptions, root: string): ParsedOptions {
  const { manifestFile } = options
  if (manifestFile === undefined) return options
  const path = resolve(root, manifestFile)
  const isThere = existsSync(path)
  // The first recording makes it.
  if (!isThere && recordingDir() !== undefined) return options
  return withManifestFile(options, manifestFile, isThere ? readFileSync(path, 'utf8') : undefined)
}
