/** Resources of setrlimit(2). Header: include/uapi/asm-generic/resource.h. */

export const RLIMIT_CORE = 4
export const RLIMIT_NOFILE = 7
/** File locks. Nothing has counted them since Linux 2.4.25: getrlimit(2). */
export const RLIMIT_LOCKS = 10
export const RLIM_NLIMITS = 16
