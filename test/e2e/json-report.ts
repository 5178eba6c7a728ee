/** The part of Vitest's json report that the tests read: packages/vitest/src/node/reporters/json.ts. */
export interface JsonReport {
  readonly success: boolean
  readonly testResults: readonly JsonFile[]
}

export interface JsonFile {
  readonly name: string
  readonly status: 'passed' | 'failed'
  readonly message: string
  readonly assertionResults: readonly JsonTest[]
}

export interface JsonTest {
  readonly fullName: string
  readonly title: string
  readonly status: string
  readonly failureMessages: readonly string[] | null
  readonly meta: Readonly<Record<string, unknown>>
}

/** What passed and what did not, to compare two runs by: `file > test: status`. */
export function outcomes(report: JsonReport): string[] {
  return report.testResults
    .flatMap(({ name, status, assertionResults }) => {
      const file = name.slice(name.lastIndexOf('/') + 1)
      return [`${file}: ${status}`, ...assertionResults.map((test) => `${file} > ${test.fullName}: ${test.status}`)]
    })
    .sort()
}

export function fileOf(report: JsonReport, ending: string): JsonFile {
  const found = report.testResults.find(({ name }) => name.endsWith(ending))
  if (found !== undefined) return found
  throw new Error(`no ${ending} among ${report.testResults.map(({ name }) => name).join(', ')}`)
}
