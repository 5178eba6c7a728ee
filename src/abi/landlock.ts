/**
 * Landlock: landlock(7), include/uapi/linux/landlock.h. Rights are bits of u64 fields, all low enough for a JavaScript
 * number.
 */

// landlock_create_ruleset(2): the flag that asks for the ABI version instead of a ruleset.
export const LANDLOCK_CREATE_RULESET_VERSION = 0x1

// landlock_add_rule(2): enum landlock_rule_type.
export const LANDLOCK_RULE_PATH_BENEATH = 1

// handled_access_fs, ABI 1 (Linux 5.13).
export const LANDLOCK_ACCESS_FS_EXECUTE = 0x1
export const LANDLOCK_ACCESS_FS_READ_FILE = 0x4
export const LANDLOCK_ACCESS_FS_READ_DIR = 0x8
// ABI 2 (5.19). Denied even where a ruleset does not handle it.
const LANDLOCK_ACCESS_FS_REFER = 0x2000
// ABI 3 (6.2).
const LANDLOCK_ACCESS_FS_TRUNCATE = 0x4000
// ABI 5 (6.10).
const LANDLOCK_ACCESS_FS_IOCTL_DEV = 0x8000
// ABI 9: connecting to a path name of AF_UNIX.
export const LANDLOCK_ACCESS_FS_RESOLVE_UNIX = 0x10000

// handled_access_net, ABI 4 (6.7), then ABI 10.
const LANDLOCK_ACCESS_NET_BIND_TCP = 0x1
const LANDLOCK_ACCESS_NET_CONNECT_TCP = 0x2
export const LANDLOCK_ACCESS_NET_BIND_UDP = 0x4
export const LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP = 0x8

// scoped, ABI 6 (6.12).
const LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET = 0x1
const LANDLOCK_SCOPE_SIGNAL = 0x2

/** Everything that one ABI version can handle, and the part of struct landlock_ruleset_attr that it knows. */
export interface LandlockRights {
  readonly fs: number
  readonly net: number
  readonly scoped: number
  /**
   * The size to pass to landlock_create_ruleset(2): a kernel answers E2BIG if bytes that it does not know are not zero.
   */
  readonly attrSize: 8 | 16 | 24
}

const FS_ABI_1 = 0x1fff
const FS_ABI_3 = FS_ABI_1 | LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_TRUNCATE
const FS_ABI_5 = FS_ABI_3 | LANDLOCK_ACCESS_FS_IOCTL_DEV
const FS_ABI_9 = FS_ABI_5 | LANDLOCK_ACCESS_FS_RESOLVE_UNIX
const NET_TCP = LANDLOCK_ACCESS_NET_BIND_TCP | LANDLOCK_ACCESS_NET_CONNECT_TCP
const NET_TCP_UDP = NET_TCP | LANDLOCK_ACCESS_NET_BIND_UDP | LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP
const SCOPES = LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL

// landlock(7), "VERSIONS", newest first.
const BY_ABI: readonly (LandlockRights & { readonly since: number })[] = [
  { since: 10, fs: FS_ABI_9, net: NET_TCP_UDP, scoped: SCOPES, attrSize: 24 },
  { since: 9, fs: FS_ABI_9, net: NET_TCP, scoped: SCOPES, attrSize: 24 },
  { since: 6, fs: FS_ABI_5, net: NET_TCP, scoped: SCOPES, attrSize: 24 },
  { since: 5, fs: FS_ABI_5, net: NET_TCP, scoped: 0, attrSize: 16 },
  { since: 4, fs: FS_ABI_3, net: NET_TCP, scoped: 0, attrSize: 16 },
  { since: 3, fs: FS_ABI_3, net: 0, scoped: 0, attrSize: 8 },
  { since: 2, fs: FS_ABI_1 | LANDLOCK_ACCESS_FS_REFER, net: 0, scoped: 0, attrSize: 8 },
  { since: 1, fs: FS_ABI_1, net: 0, scoped: 0, attrSize: 8 },
]

/** All rights that an ABI version can handle; undefined below 1, where there is no Landlock. */
export function landlockRights(abi: number): LandlockRights | undefined {
  const row = BY_ABI.find(({ since }) => abi >= since)
  return row && { fs: row.fs, net: row.net, scoped: row.scoped, attrSize: row.attrSize }
}
