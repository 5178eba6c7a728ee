/** An environment without its undefined entries, as a process is started with it. */
export function definedOnly(env: Readonly<Partial<Record<string, string>>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined))
}
