/**
 * The accesses that a call can ask for. This file holds types alone, so that code without Node's types can import it.
 */

/**
 * The access that a call asks of a path.
 * - `look`: metadata or existence (stat, access, readlink, statfs)
 * - `list`: the names in a directory, to open it for reading or to watch it. Asked only where the path is known to be a
 *   directory, or is opened as nothing else
 * - `read`: content of a file, names in a directory
 * - `content`: change the content of what is there, and nothing else about it
 * - `write`: content, attributes, creation or removal
 * - `move`: as `write`, where the thing that is moved or renamed may be a whole directory (both ends of a rename)
 * - `execute`: run as a program
 */
export type PathAccess = 'look' | 'list' | 'read' | 'content' | 'write' | 'move' | 'execute'

/** The access that a call asks of an address. */
export type SocketAccess = 'connect' | 'listen'

/** The kind of an entry on disk: stat(2), S_IFMT. */
export type EntryKind = 'directory' | 'link' | 'fifo' | 'socket' | 'regular' | 'device'
