/** MAXSYMLINKS, include/linux/namei.h. */
const MOST_LINKS = 40

/**
 * A walk along a path, as path_resolution(7) describes it: it says which place comes next and where a symbolic link
 * leads. The caller looks at each place itself, by the means that it has.
 */
export class PathWalk {
  /** The canonical directory that holds the next name, '' for the root. The caller sets it to go on. */
  at = ''
  #rest: string[]
  #links = 0

  constructor(
    text: string,
    /** The number of symbolic links to follow at most. */
    readonly most = MOST_LINKS,
  ) {
    this.#rest = namesIn(text)
  }

  /** The names that are still to come. */
  get rest(): readonly string[] {
    return this.#rest
  }

  /**
   * Returns the place of the next name, or undefined at the end. `up` is called with each directory that a `..` leaves.
   */
  next(up?: (from: string) => void): string | undefined {
    for (let name = this.#rest.shift(); name !== undefined; name = this.#rest.shift()) {
      if (name === '.') continue
      if (name !== '..') return `${this.at}/${name}`
      up?.(this.at)
      this.at = this.at.slice(0, Math.max(0, this.at.lastIndexOf('/')))
    }
    return undefined
  }

  /** Goes on with the text of the link at the last place. Returns false if that is one link too many. */
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
