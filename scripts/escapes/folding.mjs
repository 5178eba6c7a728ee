/**
 * A file system that tells no cases apart, as a FUSE daemon: the directory to mount on, and the text of its files
 * `secret/key.pem`, `.env` and `granted.txt`. It says `ready`, or why it cannot. fuse(4), include/uapi/linux/fuse.h.
 */
import { openSync, readSync, writeSync } from 'node:fs'
import { errnoName, sys, text } from '../../fixtures/escapes/lib/native.mjs'

const [directory, content] = process.argv.slice(2)
const data = Buffer.from(`${content}\n`)
const MODE = { directory: 0o40755, file: 0o100644 }
/** By their numbers; the first is the root. */
const nodes = [
  undefined,
  { parent: 0, name: '', isDirectory: true },
  { parent: 1, name: 'secret', isDirectory: true },
  { parent: 2, name: 'key.pem', isDirectory: false },
  { parent: 1, name: '.env', isDirectory: false },
  { parent: 1, name: 'granted.txt', isDirectory: false },
]
const Op = { LOOKUP: 1, FORGET: 2, GETATTR: 3, OPEN: 14, READ: 15, RELEASE: 18, FLUSH: 25, INIT: 26, OPENDIR: 27 }
const More = { READDIR: 28, RELEASEDIR: 29, INTERRUPT: 36, BATCH_FORGET: 42 }
const [ENOENT, ENOSYS] = [2, 38]
const IN_HEADER = 40

/** struct fuse_attr. */
function attributes(ino) {
  const bytes = Buffer.alloc(88)
  const { isDirectory } = nodes[ino]
  bytes.writeBigUInt64LE(BigInt(ino), 0)
  bytes.writeBigUInt64LE(BigInt(isDirectory ? 0 : data.length), 8)
  bytes.writeUInt32LE(isDirectory ? MODE.directory : MODE.file, 60)
  bytes.writeUInt32LE(1, 64)
  bytes.writeUInt32LE(4096, 80)
  return bytes
}

/** struct fuse_dirent, for what lies in a directory. */
function entries(node) {
  return Buffer.concat(
    nodes.flatMap((one, ino) => {
      if (one?.parent !== node) return []
      const bytes = Buffer.alloc(24 + Math.ceil(one.name.length / 8) * 8)
      bytes.writeBigUInt64LE(BigInt(ino), 0)
      bytes.writeBigUInt64LE(BigInt(ino), 8)
      bytes.writeUInt32LE(one.name.length, 16)
      bytes.writeUInt32LE(one.isDirectory ? 4 : 8, 20)
      bytes.write(one.name, 24)
      return [bytes]
    }),
  )
}

/** The body of the answer, a negated errno, or undefined for no answer. */
function answer(op, node, body) {
  switch (op) {
    case Op.INIT: {
      const out = Buffer.alloc(64)
      out.writeUInt32LE(7, 0)
      out.writeUInt32LE(31, 4)
      out.writeUInt32LE(body.readUInt32LE(8), 8)
      out.writeUInt32LE(65_536, 20)
      out.writeUInt32LE(1, 24)
      return out
    }
    case Op.LOOKUP: {
      const name = body.toString('utf8', 0, body.indexOf(0)).toLowerCase()
      const ino = nodes.findIndex((one) => one?.parent === node && one.name === name)
      if (ino < 0) return -ENOENT
      const entry = Buffer.alloc(40)
      entry.writeBigUInt64LE(BigInt(ino), 0)
      return Buffer.concat([entry, attributes(ino)])
    }
    case Op.GETATTR:
      return Buffer.concat([Buffer.alloc(16), attributes(node)])
    case Op.OPEN:
    case Op.OPENDIR:
      return Buffer.alloc(16)
    case Op.READ: {
      const from = Number(body.readBigUInt64LE(8))
      return data.subarray(from, from + body.readUInt32LE(16))
    }
    case More.READDIR:
      return body.readBigUInt64LE(8) === 0n ? entries(node) : Buffer.alloc(0)
    case Op.RELEASE:
    case Op.FLUSH:
    case More.RELEASEDIR:
      return Buffer.alloc(0)
    case Op.FORGET:
    case More.BATCH_FORGET:
    case More.INTERRUPT:
      return undefined
    default:
      return -ENOSYS
  }
}

// PR_SET_PDEATHSIG: it ends with whoever started it.
sys('prctl', 1, 9, 0, 0, 0)
const fuse = openSync('/dev/fuse', 'r+')
const how = `fd=${fuse},rootmode=40000,user_id=0,group_id=0,allow_other`
const mounted = sys('mount', text('folding'), text(directory), text('fuse'), 0, text(how))
if (mounted < 0) {
  process.stdout.write(`no FUSE here: ${errnoName(mounted)}\n`)
  process.exit(0)
}
process.stdout.write('ready\n')
const request = Buffer.alloc(1 << 20)
for (;;) {
  let length
  try {
    length = readSync(fuse, request, 0, request.length, null)
  } catch (error) {
    // Unmounted.
    if (error.code === 'ENODEV') break
    throw error
  }
  const body = answer(request.readUInt32LE(4), Number(request.readBigUInt64LE(16)), request.subarray(IN_HEADER, length))
  if (body === undefined) continue
  const out = Buffer.alloc(16)
  const rest = typeof body === 'number' ? Buffer.alloc(0) : body
  out.writeUInt32LE(16 + rest.length, 0)
  out.writeInt32LE(typeof body === 'number' ? body : 0, 4)
  request.copy(out, 8, 8, 16)
  writeSync(fuse, Buffer.concat([out, rest]))
}
