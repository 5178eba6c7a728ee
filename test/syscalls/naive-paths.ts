/** What a path means, found the long way: path_resolution(7) by recursion over a sketch. It shares no code with the walk of src/syscalls. */
import type { Sketch } from '../contracts/fake-files.js'

export type Meaning =
  | { readonly is: 'there'; readonly path: string; readonly kind: 'directory' | 'regular' | 'link' }
  /** Everything but the last name is there. */
  | { readonly is: 'nothing'; readonly path: string }
  | { readonly is: 'wrong'; readonly errno: 'ENOENT' | 'ENOTDIR' | 'ELOOP' }

type Step = string

export function meaningOf(top: Sketch, text: string, cwd: string, last: 'follow' | 'keep'): Meaning {
  const start = text.startsWith('/') ? [] : stepsOf(cwd)
  return walk(top, start, stepsOf(text), /(?:^|\/)\.{0,2}$/.test(text), last, 0)
}

const stepsOf = (text: string): Step[] => text.split('/').filter((step) => step !== '' && step !== '.')

function at(top: Sketch, steps: readonly Step[]): string | Sketch | undefined {
  return steps.reduce<string | Sketch | undefined>(
    (here, step) => (typeof here === 'object' && Object.hasOwn(here, step) ? here[step] : undefined),
    top,
  )
}

function walk(
  top: Sketch,
  done: readonly Step[],
  rest: readonly Step[],
  asDirectory: boolean,
  last: 'follow' | 'keep',
  links: number,
): Meaning {
  const here = at(top, done)
  if (typeof here !== 'object') return { is: 'wrong', errno: here === undefined ? 'ENOENT' : 'ENOTDIR' }
  const [step, ...after] = rest
  if (step === undefined) return { is: 'there', path: `/${done.join('/')}`, kind: 'directory' }
  if (step === '..') return walk(top, done.slice(0, -1), after, asDirectory, last, links)
  const there = [...done, step]
  const found = at(top, there)
  const isLast = after.length === 0
  if (found === undefined)
    return isLast ? { is: 'nothing', path: `/${there.join('/')}` } : { is: 'wrong', errno: 'ENOENT' }
  if (typeof found === 'object') return walk(top, there, after, asDirectory, last, links)
  if (!found.startsWith('-> '))
    return isLast && !asDirectory
      ? { is: 'there', path: `/${there.join('/')}`, kind: 'regular' }
      : { is: 'wrong', errno: 'ENOTDIR' }
  if (isLast && last === 'keep' && !asDirectory) return { is: 'there', path: `/${there.join('/')}`, kind: 'link' }
  if (links >= 40) return { is: 'wrong', errno: 'ELOOP' }
  const text = found.slice(3)
  const from = text.startsWith('/') ? [] : done
  return walk(
    top,
    from,
    [...stepsOf(text), ...after],
    asDirectory || (isLast && /(?:^|\/)\.{0,2}$/.test(text)),
    last,
    links + 1,
  )
}
