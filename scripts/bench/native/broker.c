/*
 * The least that a broker can do: `broker PROGRAM ARG...` runs the program behind a filter that traps the calls below, and
 * performs each of them for it. It decides nothing, so it is no sandbox: it is what ours is measured against.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1UL
#endif

/* Calls that every architecture has, and those that only x86-64 still has. */
static const int TRAPPED[] = {
    SYS_openat, SYS_newfstatat, SYS_statx, SYS_faccessat, SYS_faccessat2, SYS_readlinkat, SYS_unlinkat, SYS_pipe2,
    SYS_socket, SYS_connect, SYS_bind, SYS_listen, SYS_accept4, SYS_epoll_create1, SYS_eventfd2, SYS_execve,
#ifdef SYS_open
    SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_unlink, SYS_pipe,
#endif
};
#define COUNT (sizeof TRAPPED / sizeof *TRAPPED)

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int install(void) {
    struct sock_filter code[COUNT + 3];
    size_t at = 0;
    code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < COUNT; i++)
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TRAPPED[i], COUNT - i, 0);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    struct sock_fprog program = {.len = at, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) fail("no_new_privs");
    int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (fd < 0) fail("seccomp");
    return fd;
}

static void pass(int socket, int fd) {
    char byte = 0, control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    if (sendmsg(socket, &message, 0) < 0) fail("sendmsg");
}

static int take(int socket) {
    int fd;
    char byte, control[CMSG_SPACE(sizeof fd)];
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0) fail("recvmsg");
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

static int listener;
static struct seccomp_notif notification;
static char path[4096];
static char bytes[4096];

static int readMemory(__u64 pointer, void *to, size_t size) {
    struct iovec local = {to, size}, remote[2];
    size_t first = 4096 - pointer % 4096;
    if (first > size) first = size;
    remote[0] = (struct iovec){(void *)pointer, first};
    remote[1] = (struct iovec){(void *)(pointer + first), size - first};
    return process_vm_readv(notification.pid, &local, 1, remote, first == size ? 1 : 2, 0) > 0 ? 0 : -EFAULT;
}

static int writeMemory(__u64 pointer, void *from, size_t size) {
    struct iovec local = {from, size}, remote = {(void *)pointer, size};
    return process_vm_writev(notification.pid, &local, 1, &remote, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

static int stillThere(void) {
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &notification.id) == 0;
}

/* The broker's copy is closed before the target goes on, so that its own close is the last one. */
static int add(int fd, int cloexec) {
    struct seccomp_notif_addfd request = {.id = notification.id, .srcfd = fd, .newfd_flags = cloexec ? O_CLOEXEC : 0};
    int added = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &request);
    close(fd);
    return added < 0 ? -errno : added;
}

#define ANSWERED 1
/* Of a descriptor that the caller has: nothing is looked up by a name. */
#define CONTINUES LONG_MAX
#define SYSTEM(call) ({ long result_ = (call); result_ < 0 ? -errno : result_; })

static long give(long fd, int cloexec) {
    if (fd < 0) return fd;
    long added = add(fd, cloexec);
    return added < 0 ? added : added + 2;
}

static int target(int fd) {
    int pidfd = syscall(SYS_pidfd_open, notification.pid, 0);
    int got = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
    close(pidfd);
    return got;
}

static long openFor(__u64 pointer, int flags, int mode) {
    struct open_how how = {.flags = flags | O_CLOEXEC, .mode = flags & O_CREAT ? mode : 0, .resolve = RESOLVE_NO_MAGICLINKS};
    if (readMemory(pointer, path, sizeof path)) return -EFAULT;
    if (!stillThere()) return ANSWERED;
    return give(SYSTEM(syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how)), flags & O_CLOEXEC);
}

static long lookFor(__u64 pointer, __u64 to, int flags, int x, unsigned mask) {
    if (flags & AT_EMPTY_PATH) return CONTINUES;
    if (readMemory(pointer, path, sizeof path)) return -EFAULT;
    if (!stillThere()) return ANSWERED;
    long done = x ? SYSTEM(statx(AT_FDCWD, path, flags, mask, (struct statx *)bytes)) : SYSTEM(fstatat(AT_FDCWD, path, (struct stat *)bytes, flags));
    return done < 0 ? done : writeMemory(to, bytes, x ? sizeof(struct statx) : sizeof(struct stat));
}

static long textFor(__u64 pointer, __u64 to, size_t size) {
    if (readMemory(pointer, path, sizeof path)) return -EFAULT;
    if (!stillThere()) return ANSWERED;
    long length = SYSTEM(readlinkat(AT_FDCWD, path, bytes, size < sizeof bytes ? size : sizeof bytes));
    if (length < 0) return length;
    return writeMemory(to, bytes, length) ? -EFAULT : length + 2;
}

static long accessFor(__u64 pointer, int mode) {
    if (readMemory(pointer, path, sizeof path)) return -EFAULT;
    return stillThere() ? SYSTEM(faccessat(AT_FDCWD, path, mode, 0)) : ANSWERED;
}

static long unlinkFor(__u64 pointer, int flags) {
    if (readMemory(pointer, path, sizeof path)) return -EFAULT;
    return stillThere() ? SYSTEM(unlinkat(AT_FDCWD, path, flags)) : ANSWERED;
}

static long pipeFor(__u64 to, int flags) {
    int ends[2];
    if (pipe2(ends, flags | O_CLOEXEC)) return -errno;
    ends[0] = add(ends[0], flags & O_CLOEXEC);
    ends[1] = add(ends[1], flags & O_CLOEXEC);
    return writeMemory(to, ends, sizeof ends);
}

static long onSocket(int nr, const __u64 *args) {
    int fd = target(args[0]);
    long result;
    if (nr == SYS_listen) result = SYSTEM(listen(fd, args[1]));
    else if (nr == SYS_accept4) result = give(SYSTEM(accept4(fd, NULL, NULL, args[3] | SOCK_CLOEXEC)), args[3] & SOCK_CLOEXEC);
    else if (readMemory(args[1], bytes, args[2])) result = -EFAULT;
    else if (!stillThere()) result = ANSWERED;
    else result = SYSTEM(nr == SYS_bind ? bind(fd, (struct sockaddr *)bytes, args[2]) : connect(fd, (struct sockaddr *)bytes, args[2]));
    close(fd);
    return result;
}

/* A negative errno, 0, ANSWERED, CONTINUES, or a result between them (readlink's, or a descriptor, plus two). */
static long perform(int nr, const __u64 *args) {
    switch (nr) {
    case SYS_openat: return openFor(args[1], args[2], args[3]);
    case SYS_newfstatat: return lookFor(args[1], args[2], args[3], 0, 0);
    case SYS_statx: return lookFor(args[1], args[4], args[2], 1, args[3]);
    case SYS_faccessat: case SYS_faccessat2: return accessFor(args[1], args[2]);
    case SYS_readlinkat: return textFor(args[1], args[2], args[3]);
    case SYS_unlinkat: return unlinkFor(args[1], args[2]);
    case SYS_pipe2: return pipeFor(args[0], args[1]);
    case SYS_socket: return give(SYSTEM(socket(args[0], args[1] | SOCK_CLOEXEC, args[2])), args[1] & SOCK_CLOEXEC);
    case SYS_connect: case SYS_bind: case SYS_listen: case SYS_accept4: return onSocket(nr, args);
    case SYS_epoll_create1: return give(SYSTEM(syscall(SYS_epoll_create1, args[0] | O_CLOEXEC)), args[0] & O_CLOEXEC);
    case SYS_eventfd2: return give(SYSTEM(syscall(SYS_eventfd2, args[0], args[1] | O_CLOEXEC)), args[1] & O_CLOEXEC);
#ifdef SYS_open
    case SYS_open: return openFor(args[0], args[1], args[2]);
    case SYS_stat: return lookFor(args[0], args[1], 0, 0, 0);
    case SYS_lstat: return lookFor(args[0], args[1], AT_SYMLINK_NOFOLLOW, 0, 0);
    case SYS_access: return accessFor(args[0], args[1]);
    case SYS_readlink: return textFor(args[0], args[1], args[2]);
    case SYS_unlink: return unlinkFor(args[0], 0);
    case SYS_pipe: return pipeFor(args[0], 0);
#endif
    default: return -ENOSYS;
    }
}

static void serve(void) {
    for (;;) {
        memset(&notification, 0, sizeof notification);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification)) {
            if (errno == EINTR) continue;
            return;
        }
        struct seccomp_notif_resp response = {.id = notification.id};
        if (notification.data.nr == SYS_execve) {
            response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        } else {
            long result = perform(notification.data.nr, notification.data.args);
            if (result == ANSWERED) continue;
            if (result == CONTINUES) response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
            else if (result < 0) response.error = result;
            else response.val = result > ANSWERED ? result - 2 : 0;
        }
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
    }
}

static void childEnded(int signal) {
    (void)signal;
    int status;
    while (waitpid(-1, &status, WNOHANG) > 0) _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int main(int count, char **words) {
    int sockets[2];
    if (count < 2 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets)) return 2;
    struct sigaction action = {.sa_handler = childEnded};
    sigaction(SIGCHLD, &action, NULL);
    if (fork() == 0) {
        pass(sockets[1], install());
        execvp(words[1], words + 1);
        fail(words[1]);
    }
    listener = take(sockets[0]);
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
    serve();
    return 0;
}
