/** Reads the file of `manifest: './seccomp.manifest.json'` when the run starts. */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ParsedOptions } from '../policy/manifest.js'
import { withManifestFile } from '../policy/schema.js'
import { recordingDir } from './recording.js'

/** The current text of the manifest file; undefined if the config names none, or if it does not exist. */
export function manifestText({ manifestFile }: ParsedOptions, root: string): string | undefined {
  const path = manifestFile === undefined ? undefined : resolve(root, manifestFile)
  return path !== undefined && existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** The options with the manifest of the config or of the file. Throws a ManifestError that names the file. */
export function withManifest(options: ParsedOptions, text: string | undefined, root: string): ParsedOptions {
  const { manifestFile } = options
  // The first recording creates the file.
  if (manifestFile === undefined || (text === undefined && recordingDir() !== undefined)) return options
  return withManifestFile(options, manifestFile, text, resolve(root, manifestFile))
}
