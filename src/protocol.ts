/** The broker's own protocol, described in docs/protocol.md: frames and their bodies. */
export * from './protocol/frames.js'
export * from './protocol/marks.js'
export * from './protocol/messages.js'
