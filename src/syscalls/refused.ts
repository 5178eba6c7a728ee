/**
 * The calls that no manifest grants, each with the reason. Any other call that is in no list is refused too (ENOSYS),
 * and recorded by name.
 */
import { Errno } from '../abi/errno.js'
import type { SyscallName } from '../abi/syscalls.js'
import { refuse, type Row } from './define.js'

function all(
  names: readonly SyscallName[],
  errno: Errno,
  why: string,
  weight: 'violation' | 'probe' = 'violation',
): readonly Row[] {
  return names.map((name) => refuse(name, errno, why, weight))
}

export const refusedFamily: readonly Row[] = [
  ...all(
    ['io_uring_setup', 'io_uring_enter', 'io_uring_register'],
    Errno.ENOSYS,
    'a ring opens files past every filter on open',
    'probe',
  ),
  ...all(
    ['ptrace', 'process_vm_readv', 'process_vm_writev', 'process_madvise', 'kcmp'],
    Errno.EPERM,
    'reaches into another process',
  ),
  refuse('pidfd_getfd', Errno.EPERM, 'takes the descriptors of another process'),
  ...all(
    [
      'bpf',
      'perf_event_open',
      'userfaultfd',
      'kexec_load',
      'kexec_file_load',
      'init_module',
      'finit_module',
      'delete_module',
    ],
    Errno.EPERM,
    'a kernel interface far outside what a test needs',
  ),
  ...all(['keyctl', 'add_key', 'request_key'], Errno.EPERM, 'keyrings are shared with processes outside'),
  ...all(
    [
      'mount',
      'umount2',
      'pivot_root',
      'chroot',
      'open_tree',
      'open_tree_attr',
      'move_mount',
      'fsopen',
      'fsconfig',
      'fsmount',
      'fspick',
      'mount_setattr',
      'statmount',
      'listmount',
      'swapon',
      'swapoff',
      'quotactl',
      'quotactl_fd',
      'acct',
    ],
    Errno.EPERM,
    'changes or lists what paths mean',
  ),
  ...all(['setns', 'unshare'], Errno.EPERM, 'a namespace changes what paths and ids mean'),
  refuse('clone', Errno.EPERM, "with namespace flags, a pidfd, or the caller's parent as parent"),
  ...all(['name_to_handle_at', 'open_by_handle_at', 'fanotify_mark'], Errno.EPERM, 'opens files without their path'),
  // TypeScript 7 tries this call before it does anything else.
  refuse('fanotify_init', Errno.EPERM, 'opens files without their path', 'probe'),
  ...all(
    ['memfd_secret', 'landlock_create_ruleset', 'landlock_add_rule', 'landlock_restrict_self', 'cachestat'],
    Errno.ENOSYS,
    'makes a descriptor or a state the broker cannot see',
    'probe',
  ),
  refuse('seccomp', Errno.EPERM, 'a filter stacked on this one could take precedence over it'),
  ...all(
    [
      'semget',
      'semop',
      'semtimedop',
      'semctl',
      'shmget',
      'shmat',
      'shmdt',
      'shmctl',
      'msgget',
      'msgsnd',
      'msgrcv',
      'msgctl',
    ],
    Errno.EPERM,
    'System V IPC is shared with processes outside',
  ),
  ...all(
    ['mq_open', 'mq_unlink', 'mq_timedsend', 'mq_timedreceive', 'mq_notify', 'mq_getsetattr'],
    Errno.EPERM,
    'message queues are shared with processes outside',
  ),
  refuse('personality', Errno.EPERM, 'changes the execution domain', 'probe'),
  refuse(
    'setgroups',
    Errno.EPERM,
    'changes who the worker is; the broker acts as the user who started the run',
    'probe',
  ),
  ...all(
    [
      'reboot',
      'sethostname',
      'setdomainname',
      'settimeofday',
      'clock_settime',
      'adjtimex',
      'clock_adjtime',
      'syslog',
      'vhangup',
    ],
    Errno.EPERM,
    'changes the machine',
  ),
  ...all(['migrate_pages', 'move_pages', 'get_robust_list'], Errno.EPERM, 'reaches into another process', 'probe'),
  refuse('uselib', Errno.EPERM, 'loads code by a call that nothing needs'),
]
