/** MAXSYMLINKS: include/linux/namei.h. */
const MOST_LINKS = 40

/**
 * A walk along a path as path_resolution(7) has it: which place comes next, and where a symbolic link leads on. What is there, the
 * caller finds out, in whatever way it may.
 */
export class PathWalk {
  /** Where it is: the canonical directory that holds the next name, '' for the root. Whoever goes on sets it. */
  at = ''
  #rest: string[]
  #links = 0

  constructor(
    text: string,
    /** Symbolic links that it follows. */
    readonly most = MOST_LINKS,
  ) {
    this.#rest = namesIn(text)
  }

  /** The names that are still to come. */
  get rest(): readonly string[] {
    return this.#rest
  }

  /** The place of the next name, or undefined at the end. `up`: told of each directory that a `..` comes back from. */
  next(up?: (from: string) => void): string | undefined {
    for (let name = this.#rest.shift(); name !== undefined; name = this.#rest.shift()) {
      if (name === '.') continue
      if (name !== '..') return `${this.at}/${name}`
      up?.(this.at)
      this.at = this.at.slice(0, Math.max(0, this.at.lastIndexOf('/')))
    }
    return undefined
  }

  /** Goes on with the text of a link that stands at the place that came last. False where it is one too many. */
  follow(text: string): boolean {
    if (++this.#links > this.most) return false
    if (text.startsWith('/')) this.at = ''
    this.#rest = [...namesIn(text), ...this.#rest]
    return true
  }
}

function namesIn(text: string): string[] {
  return text.split('/').filter((name) => name !== '')
}
