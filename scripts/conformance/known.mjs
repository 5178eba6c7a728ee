/** Differences that stay, each with its reason: they are lines of docs/limits.md, or of the suite's own making. */
import picomatch from 'picomatch'

const KNOWN = []

/** Why the verdicts of a program may differ; undefined where nothing says so. */
export function explained({ suite, program, plain, filtered, confined }) {
  if (plain.verdict === confined.verdict) return 'the same'
  if (filtered?.verdict === confined.verdict)
    return 'declared: the same under a filter that refuses what no manifest grants'
  return KNOWN.find((known) => known.suite === suite && picomatch.isMatch(program, known.programs))?.why
}
