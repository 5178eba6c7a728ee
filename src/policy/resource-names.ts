/** The names that resources may have, and the kinds of resources as a test sees them. */

/** Letters, digits, `_`, `-` and `.`, starting with a letter, at most 64 characters. */
export const RESOURCE_NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/
export const MAX_RESOURCE_NAME = 64

/** `socket`: a connected stream. `server`: a listening one. `datagram`: UDP, bound or connected. */
export type ResourceKind = 'file' | 'directory' | 'socket' | 'server' | 'datagram'
