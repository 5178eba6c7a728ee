/** What the docs say, as data: code blocks, the files that they stand for, links. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from '../harness/confined.js'

export interface Block {
  readonly language: string
  readonly body: string
}

export const textOf = (path: string): string => readFileSync(join(repository, path), 'utf8')

export function blocksOf(markdown: string): readonly Block[] {
  return [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', body = '']) => ({ language, body }))
}

/** Blocks whose first line is `// <path>` are files of a project that runs. */
export function filesOf(blocks: readonly Block[]): ReadonlyMap<string, string> {
  return new Map(blocks.flatMap(({ body, language }): (readonly [string, string])[] => {
    const [, path] = /^\/\/ (\S+\.\w+)\n/.exec(body) ?? []
    if (path === undefined) return []
    // In what has no comments, the path stands before the text.
    return [[path, language === 'json' || language === 'text' ? body.slice(body.indexOf('\n') + 1) : body]]
  }))
}

/** What Vitest must print. */
export function outputsOf(blocks: readonly Block[]): readonly string[] {
  return blocks.filter(({ language, body }) => language === 'text' && !body.startsWith('// ')).map(({ body }) => body.trimEnd())
}

/** Targets of relative links, without what follows `#`. */
export function linksOf(markdown: string): readonly string[] {
  return [...markdown.matchAll(/\]\((?!\w+:)([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, target = '']) => target)
}
