/** The names that resources may have, and the kinds that they are to whoever gets them. */

/** Letters, digits, `_`, `-` and `.`, beginning with a letter, at most 64. */
export const RESOURCE_NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/
export const MAX_RESOURCE_NAME = 64

/** `socket`: a connected stream. `server`: a listening one. `datagram`: UDP, bound or connected. */
export type ResourceKind = 'file' | 'directory' | 'socket' | 'server' | 'datagram'
