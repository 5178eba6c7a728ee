/** `manifest: './seccomp.manifest.json'`: read when the run starts. */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ParsedOptions } from '../policy/manifest.js'
import { withManifestFile } from '../policy/schema.js'
import { recordingDir } from './recording.js'

/** The text of the manifest file now; undefined where the config names none, or none is there. */
export function manifestText({ manifestFile }: ParsedOptions, root: string): string | undefined {
  const path = manifestFile === undefined ? undefined : resolve(root, manifestFile)
  return path !== undefined && existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** The options with their manifest, wherever it stands. Throws a ManifestError that names the file. */
export function withManifest(options: ParsedOptions, text: string | undefined): ParsedOptions {
  const { manifestFile } = options
  // The first recording makes it.
  if (manifestFile === undefined || (text === undefined && recordingDir() !== undefined)) return options
  return withManifestFile(options, manifestFile, text)
}
