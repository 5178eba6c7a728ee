/** Calls a function whose warnings are not for the user, who has not called it. */
export function withoutWarnings(call: () => void): void {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    call()
  } finally {
    process.emitWarning = emitWarning
  }
}
