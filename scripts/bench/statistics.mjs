/** Medians and how far the middle half lies around them: a shared machine's means say nothing. */
export function quantile(numbers, share) {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
}

/** `spread`: half the distance between the quartiles, as a share of the median. */
export function summary(numbers) {
  const median = quantile(numbers, 0.5)
  return { median, spread: (quantile(numbers, 0.75) - quantile(numbers, 0.25)) / 2 / median, count: numbers.length }
}

/** The median of the ratios of rounds taken side by side, and the middle half of them. */
export function ratio(numbers, base) {
  const ratios = numbers.map((number, round) => number / base[round])
  return { median: quantile(ratios, 0.5), low: quantile(ratios, 0.25), high: quantile(ratios, 0.75) }
}
