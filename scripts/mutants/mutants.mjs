/**
 * Ways to break the broker, each a mistake that somebody could make: the name says what is missing then. `find` stands once in the
 * file, in whatever layout. `tests`: the narrowest that have to notice; `escape:` before a program of the corpus.
 */
const syscalls = (name) => `test/syscalls/${name}`
const change = syscalls('change.test.ts')
const content = syscalls('content.test.ts')
const descriptor = syscalls('descriptor.test.ts')
const fifo = syscalls('fifo.test.ts')
const list = syscalls('list.test.ts')
const look = syscalls('look.test.ts')
const open = syscalls('open.test.ts')
const paths = syscalls('paths.laws.test.ts')
const processes = syscalls('processes.test.ts')
const reply = syscalls('reply.test.ts')
const anyReply = syscalls('reply.laws.test.ts')
const sockets = syscalls('sockets.test.ts')
const anonymous = syscalls('anonymous.test.ts')
const calls = 'test/live/calls.laws.test.ts'
const model = 'test/model/live.laws.test.ts'
const session = 'test/broker/session.test.ts'
const acquire = 'test/broker/acquire.test.ts'
const alone = 'test/syscalls/alone.test.ts'
const locks = 'test/sys/inode-locks.test.ts'
const turns = 'test/broker/alone.test.ts'
const kernel = 'test/sys/kernel.test.ts'
const target = 'test/sys/target.test.ts'
const decide = 'test/policy/decide.laws.test.ts'
const fold = 'test/policy/fold.test.ts'
const gate = ['gate', 'attacks', 'rows', 'frames', 'frame-files', 'writes'].map(
  (name) => `test/vitest/gate/${name}.test.ts`,
)

const of =
  (file) =>
  (name, find, replace, ...tests) => ({ name, file: `src/${file}`, find, replace, tests })

const mediate = of('syscalls/mediate.ts')
const resolve = of('syscalls/resolve.ts')
const pathWalk = of('abi/path-walk.ts')
const perform = of('syscalls/perform.ts')
const place = of('syscalls/place.ts')
const args = of('syscalls/args.ts')
const define = of('syscalls/define.ts')
const opening = of('syscalls/open.ts')
const looking = of('syscalls/look.ts')
const handles = of('syscalls/handle.ts')
const changing = of('syscalls/change.ts')
const attributes = of('syscalls/attributes.ts')
const exec = of('syscalls/exec.ts')
const process = of('syscalls/processes.ts')
const messages = of('syscalls/messages.ts')
const addressing = of('syscalls/addressing.ts')
const socket = of('syscalls/sockets.ts')
const nameless = of('syscalls/anonymous.ts')
const serving = of('broker/session.ts')
const waits = of('broker/waiting.ts')
const answers = of('broker/answering.ts')
const locking = of('sys/inode-locks.ts')
const waitingFor = of('syscalls/alone.ts')
const hearing = of('broker/channel.ts')
const acquiring = of('broker/acquirer.ts')
const system = of('sys/kernel.ts')
const trapped = of('sys/target.ts')
const listener = of('sys/listener.ts')
const socketCalls = of('sys/sockets.ts')
const confining = of('sys/confine.ts')
const socketless = of('syscalls/without-sockets.ts')
const rules = of('policy/rules.ts')
const indexed = of('policy/path-index.ts')
const canonical = of('policy/canonical.ts')
const moves = of('policy/moves.ts')
const compiled = of('policy/compile.ts')
const verdict = of('policy/path-verdict.ts')
const globs = of('policy/glob.ts')
const socketIndex = of('policy/socket-index.ts')

export const mutants = [
  // --- from a path to a decision
  mediate(
    'a canonical spelling of /proc is taken at its word',
    'if (!isClean(text) || isCallerRelative(text)) return undefined\n  const judged',
    'if (!isClean(text)) return undefined\n  const judged',
    open,
    descriptor,
    anyReply,
  ),
  mediate(
    'a way that ends outside says how it ends',
    'return hidden ? Fail.of(Errno.ENOENT) : fail',
    'return fail',
    look,
    'escape:paths/existence-by-enotdir',
  ),
  mediate(
    'holding a descriptor is a right to change its file',
    'if (!verdict.allowed) return refuse(call, request, verdict.reason) ?? act()',
    'if (!verdict.allowed) return act()',
    descriptor,
  ),
  mediate(
    'a name that ends in (deleted) is taken for a deleted file',
    "const deleted = links === 0 && text.endsWith(' (deleted)')",
    "const deleted = text.endsWith(' (deleted)')",
    descriptor,
  ),
  mediate('a refusal is not recorded', "  call.record({ outcome: 'denied', request, reason, ...more })\n", '', open),
  mediate(
    'what is refused to look at is told by EACCES',
    'if (isQuiet(request) || (found.kind === undefined && wanted.makes !== true && found.unseen !== true)) {',
    'if (found.kind === undefined && wanted.makes !== true && found.unseen !== true) {',
    look,
    paths,
  ),
  mediate(
    'what may only be looked at may be opened',
    'judge(call, wanted, enough ?? wanted.access, path, found.kind)',
    "judge(call, wanted, 'look', path, found.kind)",
    open,
    paths,
  ),
  mediate(
    'a missing name is found without a grant',
    'const enough = found.kind === undefined ? undefined : lesserAccess(call, wanted, path, found.kind)',
    "const enough = lesserAccess(call, wanted, path, found.kind ?? 'regular')",
    open,
    content,
  ),
  mediate(
    'names are looked up in any directory',
    'while (!maySeeInto(call.policy, directory)) {',
    "while (directory === '') {",
    look,
    paths,
  ),
  mediate(
    'a file is opened by the right to list a directory',
    "if (lists === true && there === 'directory') return 'list'",
    "if (lists === true) return 'list'",
    list,
  ),
  resolve(
    'the walk looks names up in any directory',
    "if (this.call.policy.mode !== 'audit') return false",
    "if (this.call.policy.mode === 'enforce') return true",
    look,
    paths,
  ),
  resolve(
    'any name is looked up in the directory of an automounter',
    'return maySeeInto(policy, toPolicySpelling(directory, pid)) && !kernel.mountsOnDemand(directory)',
    'return maySeeInto(policy, toPolicySpelling(directory, pid))',
    look,
  ),
  pathWalk(
    'the target of an absolute link starts where the link stands',
    "if (text.startsWith('/')) this.at = ''",
    "if (text.startsWith('//')) this.at = ''",
    'test/abi/path-walk.test.ts',
    paths,
  ),
  pathWalk(
    'dot-dot stays where it is',
    "this.at = this.at.slice(0, Math.max(0, this.at.lastIndexOf('/')))",
    'this.at = `${this.at}`',
    'test/abi/path-walk.test.ts',
    paths,
  ),
  resolve(
    "another process's links are followed",
    'return pid !== undefined && Number(pid) !== this.pid',
    'return pid !== undefined && Number(pid) < 0',
    descriptor,
  ),
  resolve(
    '/proc/self is the broker',
    "if (path === '/proc/self') return rawPath(`${this.pid}`)",
    "if (path === '/proc/selves') return rawPath(`${this.pid}`)",
    open,
    look,
  ),
  resolve(
    'a file is walked through like a directory',
    "if (kind !== 'directory' && rest.length > 0) return Fail.of(Errno.ENOTDIR)",
    '',
    paths,
  ),
  place(
    "every process is the target's own",
    'const own = `/proc/${pid}`',
    'const own = /^\\/proc\\/\\d+/.exec(path)?.[0] ?? `/proc/${pid}`',
    descriptor,
  ),
  // --- from registers and memory to values
  args(
    'a path is read twice',
    'const text = call.target.readString(at, max)',
    'call.target.readString(at, max)\n    const text = call.target.readString(at, max)',
    anyReply,
  ),
  args(
    'the upper half of an int counts',
    'return ({ registers }) => registers.low(index) | 0',
    'return ({ registers }) => registers.high(index) * 0x1_0000_0000 + (registers.low(index) | 0)',
    anyReply,
    descriptor,
  ),
  args(
    'a buffer may be longer than its limit',
    'if (length > max) return Fail.of(Errno.E2BIG)',
    'if (length < 0) return Fail.of(Errno.E2BIG)',
    change,
    content,
    descriptor,
  ),
  define(
    'a call is performed for whoever is gone',
    'if (!call.target.stillWaiting()) return GONE',
    'if (call.name === undefined) return GONE',
    reply,
  ),
  define(
    'a pointer that cannot be read is nothing',
    'if (failed(decoded)) return decoded',
    'if (failed(decoded)) continue',
    reply,
  ),
  // --- opening
  opening(
    'O_CREAT stays, where only opening is granted',
    'const allowed = (mayCreate ? flags : flags & ~O.O_CREAT) |',
    'const allowed = flags |',
    content,
    open,
  ),
  opening(
    'what came to stand in the place of a listed directory is opened',
    "| (access === 'list' ? O.O_DIRECTORY : 0)",
    '| 0',
    list,
  ),
  opening(
    'O_TRUNC needs no right to write',
    "if ((flags & O.O_ACCMODE) !== O.O_RDONLY || (flags & O.O_TRUNC) !== 0) return 'content'",
    "if ((flags & O.O_ACCMODE) !== O.O_RDONLY) return 'content'",
    open,
    content,
  ),
  opening(
    'a descriptor is reopened with more rights than it has',
    'if ((status & O.O_PATH) !== 0 || !covers(O, status, flags)) {',
    'if ((status & O.O_PATH) !== 0) {',
    descriptor,
    open,
  ),
  opening(
    'a number below /proc is not asked for again',
    "if (place.path.startsWith('/proc/') && !call.target.stillWaiting()) {\n      opened.close()",
    "if (place.path.startsWith('/proc/') && call.name === undefined) {\n      opened.close()",
    descriptor,
    reply,
  ),
  opening(
    'a file of /proc that nobody waits for stays open',
    'call.target.stillWaiting()) {\n      opened.close()\n',
    'call.target.stillWaiting()) {\n',
    reply,
  ),
  opening(
    'whatever can be looked at with O_PATH is opened',
    "if (facts.kind !== 'regular' && facts.kind !== 'directory') return Fail.of(Errno.EACCES)",
    '',
    open,
  ),
  perform(
    'the broker waits at a FIFO',
    'return flags | O.O_NONBLOCK | O.O_NOCTTY',
    'return flags | O.O_NOCTTY',
    `${session}#holds up neither`,
  ),
  opening(
    'who gave up waiting at a FIFO keeps its end open',
    'cancel: () => opened.close(),',
    'cancel: () => {},',
    fifo,
    reply,
  ),
  opening('a flag of a later kernel is passed on', '& ~O.O_EMPTYPATH', '', calls),
  // --- looking
  looking(
    'access(2) says what the mode says',
    "return decide(call.policy, { kind: 'path', access: needs, path: place.decided }).allowed ? DONE : Fail.of(Errno.EACCES)",
    'return needs === undefined ? Fail.of(Errno.EACCES) : DONE',
    look,
  ),
  looking(
    'chdir continues on what a link may lead to',
    "        const handle = call.kernel.handle(place, 'follow')\n        if (failed(handle)) return handle\n        handle.close()\n        return { kind: 'continue'",
    "        return { kind: 'continue'",
    look,
  ),
  looking(
    'watching is looking',
    "return onPath(call, where, { access: 'read', last, lists: true }, (place) => {",
    "return onPath(call, where, { access: 'look', last }, (place) => {",
    look,
  ),
  handles('the duplicate of a descriptor stays open', 'if (!waits) held.close()', '', reply),
  handles(
    'what waited and is given up stays open',
    'reply.cancel()\n        held.close()',
    'reply.cancel()',
    reply,
    sockets,
  ),
  handles(
    'a call that waits acts on whatever has its number by then',
    'again: () => keeping(held, reply.again)',
    'again: () => (reply.cancel(), held.close(), onOwn(call, fd, act))',
    sockets,
    syscalls('receiving.test.ts'),
  ),
  // --- where the broker cannot reach sockets
  confining(
    'the filter that ends the first lines of a worker lets everything through',
    "sys3(numberOf('seccomp'), SECCOMP_SET_MODE_FILTER, ALL_THREADS, sealing.fprog.address)",
    '0 * sealing.fprog.address',
    'test/broker/sealed.test.ts',
  ),
  socketless(
    'sockets that nobody can decide on are had',
    "if (row.family !== 'sockets') return row",
    "if (row.family !== 'sockets' || row.name === 'socket') return row",
    syscalls('without-sockets.test.ts'),
  ),
  trapped(
    'how a descriptor was opened is taken from whatever has its number by now',
    'theirs !== undefined && own !== undefined && theirs.file === own.file',
    'theirs !== undefined',
    target,
  ),
  // --- changing
  changing(
    'a rename moves what was not looked at',
    '(old, fresh) => isElsewhere(old, source.found) ?? isElsewhere(fresh, target.found) ?? keepsWay',
    '(old, fresh) => keepsWay',
    change,
  ),
  changing(
    'a link may stand where a path is granted',
    'if (!wouldRedirectGrant(call.policy, place.decided, becomes)) return undefined',
    'return undefined',
    change,
  ),
  changing(
    'a directory is moved like a file',
    "const isMove = source.found.kind === 'directory' ||",
    'const isMove = source.found.kind === undefined ||',
    change,
  ),
  changing('device nodes are made', 'if (DEVICES.includes(type)) {', 'if (DEVICES.length === 0) {', change),
  changing(
    'the right to read is enough to make and remove',
    "const WRITE: Wanted = { access: 'write', last: 'entry' }",
    "const WRITE: Wanted = { access: 'read', last: 'entry' }",
    change,
    anyReply,
  ),
  changing(
    'a link is hard-linked where its target was meant',
    "if (kind === 'link' && (flags & AT_SYMLINK_FOLLOW) !== 0) return Fail.of(Errno.ELOOP)",
    '',
    change,
  ),
  changing(
    'what is moved is not looked at again once the directories are held',
    'return failed(kind) || kind === looked ? undefined : Fail.of(Errno.ELOOP)',
    'return failed(kind) || kind === looked ? undefined : undefined',
    alone,
    'escape:manifest/directory-by-two-workers',
  ),
  of('sys/ancestry.ts')(
    'a parent that ended in between counts as one',
    'if (failed(again) || again.parent !== current)',
    'if (failed(again))',
    'test/sys/ancestry.test.ts',
  ),
  of('syscalls/processes.ts')(
    "a signal goes on although its number may be a stranger's by then",
    'if (areScoped(call) || pid === call.target.pid())',
    'if (areScoped(call) || pid > 0)',
    'test/syscalls/processes.test.ts',
  ),
  attributes(
    'any extended attribute may be set',
    "return name.startsWith('user.') ? change",
    "return name !== '' ? change",
    change,
    descriptor,
    'escape:paths/file-capabilities',
  ),
  handles(
    'what a descriptor leads to is not decided',
    'return onDescriptorPath(call, text, facts.links, access, () => act(held))',
    'return act(held)',
    descriptor,
  ),
  // --- programs, processes, descriptors without a path
  exec(
    'a program is run through a descriptor',
    "if (where.text === '' && (flags & AT_EMPTY_PATH) !== 0) return forbid('runs a program through a descriptor')",
    '',
    descriptor,
    processes,
    'escape:filter/memfd-execveat',
  ),
  exec(
    'a program is run where no Landlock decides',
    'default: return forbid(`this kernel has no Landlock, which alone could hold a program to its grant',
    "default: return call.name === 'execve' ? { kind: 'continue', reason: 'landlock-decides' } : forbid(`this kernel has no Landlock, which alone could hold a program to its grant",
    descriptor,
    processes,
    open,
  ),
  process(
    'everybody is signalled at once',
    "if (pid === -1) return toOwnTree(call, 'every process', 'foreign')",
    "if (pid === -1) return toOwnTree(call, 'every process', 'ownTree')",
    processes,
  ),
  process('strangers are signalled', 'pid > 0 ? call.target.relationTo(pid)', "pid > 1 ? 'ownTree'", processes),
  process(
    "a stranger's group is joined",
    "if (!isNew && call.target.relationToGroup(group) !== 'ownTree')",
    "if (!isNew && call.target.relationToGroup(group) === 'gone')",
    processes,
  ),
  nameless(
    'a program is made in memory',
    'flags: (flags & ~MFD_EXEC) | MFD_NOEXEC_SEAL })',
    'flags: mayExecute ? flags : flags | MFD_NOEXEC_SEAL })',
    anonymous,
  ),
  nameless('memory may be executed', 'flags: (flags & ~MFD_EXEC) | MFD_NOEXEC_SEAL })', 'flags })', anonymous),
  // --- sockets
  addressing(
    'who shares a port with an own socket is reached with it',
    'const held = reached.length === 0 ? undefined : holdAll(call, reached, own)',
    'const held = reached.length === 0 ? undefined : holdAll(call, reached.filter(({ cookie }) => own.has(cookie)), own)',
    sockets,
  ),
  addressing(
    'a port that was its own once is its own for ever',
    'if (failed(socket) || call.kernel.sockets.cookie(socket) !== cookie) {',
    'if (cookie.length < 0) {',
    sockets,
  ),
  addressing(
    'autobind makes an abstract address',
    "if (raw.text === '') return Fail.of(access === 'listen' ? Errno.EACCES : Errno.ECONNREFUSED)",
    "if (raw.text === '') return act(Endpoint.own('unspecified', raw.bytes))",
    sockets,
    'escape:sockets/abstract',
  ),
  messages(
    'anything may be sent along',
    'if (known === undefined) return Fail.of(Errno.EPERM)',
    'if (known === undefined) control.push({ level, type, content }); else',
    sockets,
    anyReply,
  ),
  messages("another's credentials are sent", '&& !areOwn(call, content)', '&& content.length === 0', sockets),
  messages(
    'the routes of the machine are changed',
    'if (facts.domain === AF_NETLINK && !onlyAsks(message.data)) return finish(Fail.of(Errno.EPERM))',
    '',
    sockets,
  ),
  messages(
    'descriptors that were sent stay open',
    'for (const descriptor of pass) descriptor.close()',
    'pass.length = 0',
    sockets,
    reply,
    anyReply,
  ),
  messages(
    'the address of a datagram is not decided',
    "to === undefined ? deliver() : onAddress(call, facts, to, 'connect', deliver)",
    "to === undefined || facts.domain !== 1 ? deliver(to && Endpoint.own('no-packet', to.bytes)) : onAddress(call, facts, to, 'connect', deliver)",
    sockets,
    anyReply,
  ),
  socket('any kind of socket is made', "if (kind === 'refused') {", 'if (domain < 0) {', sockets),
  socket(
    'a socket that was accepted and cannot be told of stays open',
    '    accepted.fd.close()\n    return written',
    '    return written',
    sockets,
  ),
  socketCalls(
    'descriptors can be received from outside',
    'const set = sys6(N.setsockopt, fd.number, SOL_SOCKET, SO_PASSRIGHTS, this.#option.address, 4)',
    'const set = 0',
    kernel,
    'escape:sockets/receive-descriptors*',
  ),
  // --- the session
  of('broker/guarded.ts')(
    'an exception lets the call continue',
    'let reply: Reply = Fail.of(Errno.EACCES)',
    "let reply: Reply = { kind: 'continue', reason: 'own-state' }",
    'test/broker/guarded.test.ts',
  ),
  serving('an unknown call continues', 'listener.returnError(id, Errno.ENOSYS)', 'listener.letContinue(id)', calls),
  waits('who waits is forgotten', 'this.#calls.push({ call, reply })', '', `${session}#two threads of one worker meet`),
  waits(
    'who does not wait any more is served',
    'if (!call.target.stillWaiting()) reply.cancel()',
    'if (call.target.tid < 0) reply.cancel()',
    'test/broker/held.test.ts',
  ),
  waits(
    'what waited is not given up at the end',
    'for (const { reply } of this.#take()) reply.cancel()',
    '',
    'test/broker/held.test.ts',
  ),
  waits(
    'any number of calls may wait',
    'this.#descriptors + descriptors > this.mostDescriptors',
    'this.#descriptors < 0',
    'test/broker/waiting.test.ts',
  ),
  answers(
    'a descriptor that was handed over stays open',
    'fd.close()\n  // EMFILE',
    '// EMFILE',
    'test/broker/held.test.ts',
    'test/broker/last-close.test.ts',
  ),
  answers(
    'a descriptor that finds no room is no answer',
    'if (failed(added)) return void listener.returnError(id, added.errno)',
    'if (failed(added)) return',
    `${session}#without room`,
  ),
  answers('the second of a pair stays open', 'pair.fds[1].close()', 'pair.fds[0].close()', 'test/broker/held.test.ts'),
  answers(
    'a pair is handed over before its memory is tried',
    'if (failed(writable)) return writable',
    '',
    'test/broker/held.test.ts',
  ),
  waitingFor(
    'a call that waited for a directory goes on by the policy that it began with',
    'if (call.policy !== decidedBy) return anew()',
    '',
    alone,
  ),
  waitingFor(
    'a call that waited for a directory, and then met a link, is not made anew',
    'failed(reply) && reply.errno === Errno.ELOOP ? anew() : reply',
    'reply',
    alone,
  ),
  socketCalls(
    'accept waits for who connects',
    "if (this.#number(socket, SO_ACCEPTCONN) === 1 && !this.isReady(fd, 'in')) return Fail.of(Errno.EAGAIN)",
    '',
    kernel,
    'escape:races/accept-made-to-wait',
  ),
  socketCalls(
    'connect waits as long as the worker says',
    'this.#setSendTimeout(fd, SHORTEST)',
    '',
    'escape:races/connect-made-to-wait',
  ),
  of('syscalls/socket-options.ts')('a socket lingers', 'isOn && given.getInt32(4, true) === 0', 'isOn', sockets),
  locking(
    'everybody has the same directory',
    'if (inodes.some((inode) => isSame(inode, held)))',
    'if (inodes.length === 0)',
    locks,
    turns,
  ),
  locking(
    'what a thread had that broke down is had for ever',
    'if (this.#cells[at + ENTRY.holder] === holder) had.push(at)',
    '',
    locks,
  ),
  locking(
    'an inode is given back with the first of two',
    'for (const at of entries) this.#cells[at + ENTRY.holder] = NOBODY',
    'this.#cells.fill(0, ENTRIES)',
    locks,
  ),
  // --- the channel
  hearing(
    'a frame that is none is passed over',
    "if (typeof frame === 'string') return this.fault(`a malformed frame: ${frame}`)",
    "if (typeof frame === 'string') continue",
    `${session}#a wrong length`,
  ),
  hearing(
    'a descriptor that was sent stays open',
    'if (next.keep !== true) next.fd?.close()\n    }',
    '}',
    `${acquire}#thousands of requests`,
    `${acquire}#many at once`,
  ),
  acquiring(
    'a name that is not granted gets the first that is',
    'const resource = this.#resources.get(name)',
    'const resource = this.#resources.get(name) ?? [...this.#resources.values()][0]',
    `${acquire}#the nearest name`,
  ),
  of('broker/opening.ts')(
    'a FIFO is a file',
    "return kind === 'regular' || kind === 'device' ? undefined : Fail.of(Errno.EINVAL)",
    'return undefined',
    `${acquire}#a FIFO is no file`,
  ),
  // --- the system
  of('broker/opening.ts')(
    'a port with connections in TIME_WAIT is not had',
    "isTcp ? sockets.share(fd, 'address', true) : true",
    'true',
    acquire,
  ),
  system(
    'symbolic links are followed',
    'const STRICT = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS',
    'const STRICT = RESOLVE_NO_MAGICLINKS',
    kernel,
  ),
  of('sys/creation.ts')(
    'the umask of the caller does not count',
    'sys3(UMASK, umask)',
    'sys3(UMASK, umask & 0)',
    kernel,
    model,
  ),
  system(
    'the directory of a name stays open',
    '    parent.close()\n    return ok(result)\n  }\n\n  #sizeAt',
    '    return ok(result)\n  }\n\n  #sizeAt',
    'test/broker/held.test.ts',
  ),
  system(
    'a file that somebody writes holds up its worker',
    'size < LARGE.forAHelper ? undefined :',
    'size >= 0 ? undefined :',
    'test/sys/large-files.test.ts',
  ),
  of('sys/name-in-directory.ts')(
    'a directory is given back while its rename sleeps',
    'if (this.#isGiven) return',
    '',
    'test/sys/large-files.test.ts',
  ),
  of('sys/delegation.ts')(
    'what nobody waits for any more stays open',
    'if (result instanceof OwnedFd) result.close()',
    '',
    'test/sys/large-files.test.ts',
  ),
  of('broker/waiting.ts')(
    'a call that is made is refused',
    ' && reply.isUnderWay !== true',
    '',
    'test/broker/waiting-calls.test.ts',
  ),
  of('sys/name-in-directory.ts')(
    'names that were held keep their directory open',
    'this.from.directory.close()',
    '',
    'test/broker/held.test.ts',
  ),
  trapped(
    'memory is written to whoever has the number now',
    'if (this.#notificationStands()) return opened\n',
    'return opened\n',
    target,
  ),
  trapped(
    'a descriptor is taken from whoever has the number now',
    'if (!this.#notificationStands()) {\n      pidfd.close()',
    'if (this.tid < 0) {\n      pidfd.close()',
    target,
  ),
  of('sys/ancestry.ts')(
    'who belongs to nobody belongs to the worker',
    "    current = found.parent\n  }\n  return 'foreign'",
    "    current = found.parent\n  }\n  return 'ownTree'",
    target,
    'test/sys/ancestry.test.ts',
    'escape:processes/kill-parent',
  ),
  trapped(
    'a string ends where the last one did',
    'if (end >= 0 && end < got) return',
    'if (end >= 0) return',
    target,
    calls,
  ),
  listener(
    'every notification is valid',
    'return sys3(IOCTL, this.fd.number, SECCOMP_IOCTL_NOTIF_ID_VALID, this.#id.address) === 0',
    'return this.#id.address > 0',
    'test/broker/held.test.ts',
  ),
  listener('descriptors are inherited by programs', 'cloexec ? O_CLOEXEC : 0', '0', 'test/broker/held.test.ts'),
  // --- the policy
  rules(
    'exclusions exclude nothing',
    "if (exclusion.effect !== 'exclude') return false",
    "if (exclusion.effect !== 'grant') return false",
    decide,
  ),
  rules(
    'an exclusion glob is beaten by any grant',
    "return exclusion.shape === 'glob' ? grant.shape !== 'file'",
    "return exclusion.shape === 'glob' ? grant.shape === 'glob'",
    decide,
  ),
  rules(
    'the right to read is the right to change content',
    "read: new Set(['look', 'list', 'read']),",
    "read: new Set(['look', 'list', 'read', 'content']),",
    decide,
  ),
  canonical(
    'a name with the same beginning lies below',
    'path.startsWith(`${top}/`)',
    'path.startsWith(top)',
    'test/policy/canonical.test.ts',
  ),
  canonical(
    'a path with dot-dot is canonical',
    "segment !== '' && segment !== '.' && segment !== '..'",
    "segment !== '' && segment !== '.'",
    decide,
  ),
  moves(
    'a directory takes along what is excluded below it',
    'if (trees.some(({ list }) => exclusions.every((exclusion) => exclusion.list !== list))) return undefined',
    'if (trees.some(({ list }) => exclusions.some((exclusion) => exclusion.list !== list)) || exclusions.length === 0) return undefined',
    decide,
    'test/policy/decide.test.ts',
  ),
  moves(
    'the root of what another list grants is as good as any place',
    "if (isAtRoot && (rule.shape !== 'tree' || rule.effect !== 'grant')) return false",
    "if (isAtRoot) return rule.shape === 'tree' && rule.effect === 'grant'",
    decide,
    'escape:manifest/excluded-moved-to-another-grant',
  ),
  moves(
    'what is granted by one name is moved with all below it',
    'if (nearest === undefined) return',
    'if (found.covering.length === 0) return',
    decide,
    'test/policy/decide.test.ts',
  ),
  compiled(
    'only links bend what an entry means',
    "const places = brings === 'link' ? policy.anchors.all : policy.anchors.above",
    "const places = brings === 'link' ? policy.anchors.all : new Set<string>()",
    change,
  ),
  compiled(
    'a link comes to stand in the place of a grant, by another name of it',
    'if (places.has(foldPath(path))) return true',
    'if (places.has(path)) return true',
    fold,
  ),
  indexed('what is excluded has one name', 'const name = foldName(segment)', 'const name = segment', fold),
  globs(
    'a secret has one name',
    'exactly(own) || folded(foldName(own)) || mayBeAlias(own)',
    'exactly(own) || mayBeAlias(own)',
    'test/policy/glob.laws.test.ts',
  ),
  globs(
    'an exclusion glob covers names as written',
    'return (below) => exactly(below) || folded(foldPath(below)) || hasAlias(below)',
    'return (below) => exactly(below) || (folded(below) && hasAlias(below))',
    fold,
  ),
  verdict(
    'an ancestor of a grant may be read',
    "if (request.access === 'look' && found.visibleBy !== undefined) {",
    'if (found.visibleBy !== undefined) {',
    decide,
  ),
  globs(
    'a line feed hides a name from an exclusion',
    "  flags: 's',",
    '',
    'test/policy/decide.test.ts',
    'escape:manifest/glob-too-wide',
  ),
  socketIndex(
    'any port will do',
    'ports.from <= address.port && address.port <= ports.to &&',
    'ports.from <= address.port &&',
    'test/policy/sockets.test.ts',
  ),
  // --- the messages to Vitest
  of('vitest/gate/gate.ts')(
    'a method that nobody knows is passed on',
    "if (row === undefined || check === undefined)\n      return this.#reply(method, id, { refused: forbidden('Vitest has no such method, or this pool does not know it') })",
    "if (row === undefined || check === undefined) return { t: 'q', m: method, a: args, ...(id === undefined ? {} : { i: id }) }",
    ...gate,
  ),
  of('vitest/gate/gate.ts')(
    'a file has ended although its tests have not',
    '!this.host.project.isThrough(file))\n    if (open === undefined) return',
    '!this.host.project.isThrough(file))\n    if (open !== null) return',
    ...gate,
  ),
  of('vitest/gate/check-files.ts')(
    'attachments are read without a grant',
    'if (!verdict.allowed) return refusedAccess(request, verdict.reason, path, worker)',
    'if (!verdict.allowed) return undefined',
    ...gate,
  ),
  of('vitest/gate/check-files.ts')(
    'an attachment is copied from where its name leads by then',
    "Reflect.set(attachment, 'path', copy ?? walked.real)",
    '',
    ...gate,
  ),
  of('vitest/gate/safe-open.ts')(
    'the last name may be a link',
    'flags | O_NOFOLLOW | O_NONBLOCK, mode)',
    'flags | O_NONBLOCK, mode)',
    ...gate,
  ),
  of('vitest/gate/safe-open.ts')(
    'a directory on the way may be a link',
    'O_PATH | O_DIRECTORY | O_NOFOLLOW)',
    'O_PATH | O_DIRECTORY)',
    ...gate,
  ),
  of('vitest/gate/frame-files.ts')(
    'what a test can write is read for a stack',
    'if (writes.covering(walked) !== undefined && !files.has(walked.real)) return false',
    '',
    ...gate,
  ),
  // --- which test runs
  of('protocol/marks.ts')(
    'half of one test and half of the next are told as one',
    'if (text === undefined || this.#number(MARK.version) !== version) continue',
    'if (text === undefined) continue',
    'test/protocol/marks.test.ts',
  ),
  of('protocol/marks.ts')(
    'what is being written is taken for written',
    'if (version % 2 !== 0) continue',
    '',
    'test/protocol/marks.test.ts',
  ),
  of('protocol/marks.ts')(
    'as much is read as the worker says',
    'this.read(MARK.text, Math.min(length, LONGEST))',
    'this.read(MARK.text, length)',
    'test/protocol/marks.test.ts',
  ),
  of('broker/recording.ts')(
    'where one refused call stood is told of the next',
    "parts.post({ type: 'incident', incident }), parts.hear)",
    "parts.post({ type: 'incident', incident }), parts.label)",
    'test/e2e/messages.test.ts',
  ),
]
