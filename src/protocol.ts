/** The broker's own protocol, described in docs/protocol.md: frames, and what their bodies say. */
export * from './protocol/frames.js'
export * from './protocol/marks.js'
export * from './protocol/messages.js'
