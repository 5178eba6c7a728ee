/**
 * An automounter that mounts nothing and writes down what it was asked for: the directory to mount on, and the file for the
 * names. It says `ready`, or why it cannot. autofs(5), Documentation/filesystems/autofs.rst.
 */
import { appendFileSync, closeSync, openSync, readSync } from 'node:fs'
import { errnoName, O, scratch, sys, text } from '../../fixtures/escapes/lib/native.mjs'

const [directory, names] = process.argv.slice(2)
/** struct autofs_v5_packet, include/uapi/linux/auto_fs.h. */
const PACKET = 304
const TOKEN = 8
const LENGTH = 40
const NAME = 44
const AUTOFS_IOC_FAIL = 0x9361

// PR_SET_PDEATHSIG: it ends with whoever started it.
sys('prctl', 1, 9, 0, 0, 0)
const ends = scratch(8)
sys('pipe2', ends.address, 0)
const [requests, kernelEnd] = [ends.bytes.readInt32LE(0), ends.bytes.readInt32LE(4)]
// Whoever is of this process's group sees the directory as it is: so it leads a group of its own.
const how = `fd=${kernelEnd},pgrp=${process.pid},minproto=5,maxproto=5,indirect`
const mounted = sys('mount', text('names'), text(directory), text('autofs'), 0, text(how))
closeSync(kernelEnd)
if (mounted < 0) {
  process.stdout.write(`no automounter here: ${errnoName(mounted)}\n`)
  process.exit(0)
}
const root = openSync(directory, O.RDONLY | O.DIRECTORY)
process.stdout.write('ready\n')
const packet = Buffer.alloc(PACKET)
while (readSync(requests, packet, 0, PACKET, null) > 0) {
  // Written before it is answered, so that it stands there when the asker goes on.
  appendFileSync(names, `${packet.toString('utf8', NAME, NAME + packet.readUInt32LE(LENGTH)).replace(/\0.*/s, '')}\n`)
  sys('ioctl', root, AUTOFS_IOC_FAIL, packet.readUInt32LE(TOKEN))
}
