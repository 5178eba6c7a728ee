/** What a path means, found the long way: path_resolution(7) by recursion over a sketch. It shares no code with the walk of src/syscalls. */
import type { Sketch } from '../contracts/fake-files.js'

export type Meaning =
  | { readonly is: 'there'; readonly path: string; readonly kind: 'directory' | 'regular' | 'link' }
  /** Everything but the last name is there. */
  | { readonly is: 'nothing'; readonly path: string }
  | { readonly is: 'wrong'; readonly errno: 'ENOENT' | 'ENOTDIR' | 'ELOOP' }
  /** The way leads through a directory that is not shown. */
  | { readonly is: 'unseen' }

type Step = string

/** `isShown`: whether names in a directory may be looked up. By default in all of them. */
export function meaningOf(
  top: Sketch,
  text: string,
  cwd: string,
  last: 'follow' | 'keep',
  isShown: (directory: string) => boolean = () => true,
): Meaning {
  const steps = text.startsWith('/') ? stepsOf(text) : [...stepsOf(cwd), ...stepsOf(text)]
  return new Walk(top, last, isShown).from([], steps, /(?:^|\/)\.{0,2}$/.test(text), 0)
}

const stepsOf = (text: string): Step[] => text.split('/').filter((step) => step !== '' && step !== '.')

function at(top: Sketch, steps: readonly Step[]): string | Sketch | undefined {
  return steps.reduce<string | Sketch | undefined>(
    (here, step) => (typeof here === 'object' && Object.hasOwn(here, step) ? here[step] : undefined),
    top,
  )
}

class Walk {
  constructor(
    readonly top: Sketch,
    readonly last: 'follow' | 'keep',
    readonly isShown: (directory: string) => boolean,
  ) {}

  from(done: readonly Step[], rest: readonly Step[], asDirectory: boolean, links: number): Meaning {
    const { top, last } = this
    const here = at(top, done)
    if (typeof here !== 'object') return { is: 'wrong', errno: here === undefined ? 'ENOENT' : 'ENOTDIR' }
    const [step, ...after] = rest
    if (step === undefined) return { is: 'there', path: `/${done.join('/')}`, kind: 'directory' }
    if (step === '..') return this.from(done.slice(0, -1), after, asDirectory, links)
    if (!this.isShown(`/${done.join('/')}`)) return { is: 'unseen' }
    const there = [...done, step]
    const found = at(top, there)
    const isLast = after.length === 0
    if (found === undefined)
      return isLast ? { is: 'nothing', path: `/${there.join('/')}` } : { is: 'wrong', errno: 'ENOENT' }
    if (typeof found === 'object') return this.from(there, after, asDirectory, links)
    if (!found.startsWith('-> '))
      return isLast && !asDirectory
        ? { is: 'there', path: `/${there.join('/')}`, kind: 'regular' }
        : { is: 'wrong', errno: 'ENOTDIR' }
    if (isLast && last === 'keep' && !asDirectory) return { is: 'there', path: `/${there.join('/')}`, kind: 'link' }
    if (links >= 40) return { is: 'wrong', errno: 'ELOOP' }
    const text = found.slice(3)
    const start = text.startsWith('/') ? [] : done
    const isDirectory = asDirectory || (isLast && /(?:^|\/)\.{0,2}$/.test(text))
    return this.from(start, [...stepsOf(text), ...after], isDirectory, links + 1)
  }
}
