/** Cases as JSON, for what JSON has no word for: bytes, 64-bit integers, what is left out. */

const BYTES = '$bytes'
const BIGINT = '$bigint'
const NOTHING = '$undefined'

export function toJson(value: unknown): unknown {
  if (value === undefined) return { [NOTHING]: true }
  if (typeof value === 'bigint') return { [BIGINT]: `${value}` }
  if (value instanceof Uint8Array) return { [BYTES]: Buffer.from(value).toString('hex') }
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, toJson(part)]))
}

export function fromJson(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(fromJson)
  if (typeof json !== 'object' || json === null) return json
  if (NOTHING in json) return undefined
  if (BIGINT in json) return BigInt(String(json[BIGINT]))
  if (BYTES in json) return Uint8Array.from(Buffer.from(String(json[BYTES]), 'hex'))
  return Object.fromEntries(Object.entries(json).map(([key, part]) => [key, fromJson(part)]))
}
