/*
 * Our own filter of system calls, in the form that engines take as text (moby's `seccomp.json`), in
 * place of the engine's: that of an old engine leaves AF_VSOCK (the way to a hypervisor's host),
 * AF_ALG and io_uring open. What is not named is refused. Man page of each call: section 2.
 */

/** Files and descriptors. */
const FILES = [
  ...['access', 'chdir', 'chmod', 'chown', 'chown32', 'close', 'close_range', 'copy_file_range'],
  ...['creat', 'dup', 'dup2', 'dup3', 'faccessat', 'faccessat2', 'fadvise64', 'fadvise64_64'],
  ...['fallocate', 'fchdir', 'fchmod', 'fchmodat', 'fchmodat2', 'fchown', 'fchown32', 'fchownat'],
  ...['fcntl', 'fcntl64', 'fdatasync', 'fgetxattr', 'flistxattr', 'flock', 'fremovexattr'],
  ...['fsetxattr', 'fstat', 'fstat64', 'fstatat64', 'fstatfs', 'fstatfs64', 'fsync', 'ftruncate'],
  ...['ftruncate64', 'futimesat', 'getcwd', 'getdents', 'getdents64', 'getxattr', 'getxattrat'],
  ...['inotify_add_watch', 'inotify_init', 'inotify_init1', 'inotify_rm_watch', 'ioctl', 'lchown'],
  ...['lchown32', 'lgetxattr', 'link', 'linkat', 'listxattr', 'listxattrat', 'llistxattr'],
  ...['lremovexattr', 'lseek', '_llseek', 'lsetxattr', 'lstat', 'lstat64', 'mkdir', 'mkdirat'],
  ...['mknod', 'mknodat', 'newfstatat', 'open', 'openat', 'openat2', 'pipe', 'pipe2', 'pread64'],
  ...['preadv', 'preadv2', 'pwrite64', 'pwritev', 'pwritev2', 'read', 'readahead', 'readlink'],
  ...['readlinkat', 'readv', 'removexattr', 'removexattrat', 'rename', 'renameat', 'renameat2'],
  ...['rmdir', 'sendfile', 'sendfile64', 'setxattr', 'setxattrat', 'splice', 'stat', 'stat64'],
  ...['statfs', 'statfs64', 'statx', 'symlink', 'symlinkat', 'sync', 'sync_file_range'],
  ...['sync_file_range2', 'syncfs', 'tee', 'truncate', 'truncate64', 'umask', 'unlink', 'unlinkat'],
  ...['utime', 'utimensat', 'utimensat_time64', 'utimes', 'vmsplice', 'write', 'writev'],
  // The kernel's own asynchronous I/O of old; not io_uring, whose rings go around this filter.
  ...['io_cancel', 'io_destroy', 'io_getevents', 'io_pgetevents', 'io_pgetevents_time64'],
  ...['io_setup', 'io_submit']
]

const MEMORY = [
  ...['brk', 'cachestat', 'get_mempolicy', 'madvise', 'map_shadow_stack', 'membarrier'],
  ...['memfd_create', 'memfd_secret', 'mincore', 'mlock', 'mlock2', 'mlockall', 'mmap', 'mmap2'],
  ...['mprotect', 'mremap', 'mseal', 'msync', 'munlock', 'munlockall', 'munmap', 'pkey_alloc'],
  ...['pkey_free', 'pkey_mprotect', 'process_madvise', 'process_mrelease', 'remap_file_pages']
]

const PROCESSES = [
  ...['arch_prctl', 'capget', 'capset', 'execve', 'execveat', 'exit', 'exit_group', 'fork'],
  ...['getegid', 'getegid32', 'geteuid', 'geteuid32', 'getgid', 'getgid32', 'getgroups'],
  ...['getgroups32', 'getpgid', 'getpgrp', 'getpid', 'getppid', 'getpriority', 'getresgid'],
  ...['getresgid32', 'getresuid', 'getresuid32', 'getrlimit', 'getrusage', 'getsid', 'gettid'],
  ...['getuid', 'getuid32', 'get_robust_list', 'get_thread_area', 'ioprio_get', 'ioprio_set'],
  ...['landlock_add_rule', 'landlock_create_ruleset', 'landlock_restrict_self', 'pidfd_open'],
  ...['pidfd_send_signal', 'prctl', 'prlimit64', 'restart_syscall', 'rseq', 'sched_getaffinity'],
  ...['sched_getattr', 'sched_getparam', 'sched_get_priority_max', 'sched_get_priority_min'],
  ...['sched_getscheduler', 'sched_rr_get_interval', 'sched_rr_get_interval_time64'],
  ...['sched_setaffinity', 'sched_setattr', 'sched_setparam', 'sched_setscheduler', 'sched_yield'],
  ...['seccomp', 'setfsgid', 'setfsgid32', 'setfsuid', 'setfsuid32', 'setgid', 'setgid32'],
  ...['setgroups', 'setgroups32', 'setpgid', 'setpriority', 'setregid', 'setregid32', 'setresgid'],
  ...['setresgid32', 'setresuid', 'setresuid32', 'setreuid', 'setreuid32', 'setrlimit', 'setsid'],
  ...['setuid', 'setuid32', 'set_robust_list', 'set_thread_area', 'set_tid_address', 'ugetrlimit'],
  ...['vfork', 'wait4', 'waitid', 'waitpid', 'chroot', 'getcpu', 'sysinfo', 'times', 'uname'],
  // Programs ask how they run under ARM and RISC-V.
  ...['arm_fadvise64_64', 'arm_sync_file_range', 'breakpoint', 'cacheflush', 'set_tls'],
  ...['riscv_flush_icache', 'riscv_hwprobe', 'modify_ldt']
]

const SIGNALS = [
  ...['alarm', 'kill', 'pause', 'rt_sigaction', 'rt_sigpending', 'rt_sigprocmask'],
  ...['rt_sigqueueinfo', 'rt_sigreturn', 'rt_sigsuspend', 'rt_sigtimedwait'],
  ...['rt_sigtimedwait_time64', 'rt_tgsigqueueinfo', 'sigaltstack', 'signalfd', 'signalfd4'],
  ...['sigprocmask', 'sigreturn', 'tgkill', 'tkill']
]

const TIME = [
  ...['clock_getres', 'clock_getres_time64', 'clock_gettime', 'clock_gettime64'],
  ...['clock_nanosleep', 'clock_nanosleep_time64', 'getitimer', 'gettimeofday', 'nanosleep'],
  ...['setitimer', 'time', 'timer_create', 'timer_delete', 'timer_getoverrun', 'timer_gettime'],
  ...['timer_gettime64', 'timer_settime', 'timer_settime64', 'timerfd_create', 'timerfd_gettime'],
  ...['timerfd_gettime64', 'timerfd_settime', 'timerfd_settime64']
]

const WAITING = [
  ...['epoll_create', 'epoll_create1', 'epoll_ctl', 'epoll_ctl_old', 'epoll_pwait'],
  ...['epoll_pwait2', 'epoll_wait', 'epoll_wait_old', 'eventfd', 'eventfd2', 'futex'],
  ...['futex_requeue', 'futex_time64', 'futex_wait', 'futex_waitv', 'futex_wake', 'poll', 'ppoll'],
  ...['ppoll_time64', 'pselect6', 'pselect6_time64', 'select', '_newselect']
]

/** `socket` itself is below: not every family. */
const SOCKETS = [
  ...['accept', 'accept4', 'bind', 'connect', 'getpeername', 'getsockname', 'getsockopt'],
  ...['listen', 'recv', 'recvfrom', 'recvmmsg', 'recvmmsg_time64', 'recvmsg', 'send', 'sendmmsg'],
  ...['sendmsg', 'sendto', 'setsockopt', 'shutdown', 'socketpair']
]

const BETWEEN_PROCESSES = [
  ...['ipc', 'mq_getsetattr', 'mq_notify', 'mq_open', 'mq_timedreceive', 'mq_timedsend'],
  ...['mq_timedreceive_time64', 'mq_timedsend_time64', 'mq_unlink', 'msgctl', 'msgget', 'msgrcv'],
  ...['msgsnd', 'semctl', 'semget', 'semop', 'semtimedop', 'semtimedop_time64', 'shmat', 'shmctl'],
  ...['shmdt', 'shmget']
]

interface Condition {
  readonly index: number
  readonly value: number
  readonly valueTwo?: number
  readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_LT' | 'SCMP_CMP_GT' | 'SCMP_CMP_MASKED_EQ'
}

export interface Rule {
  readonly names: readonly string[]
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO'
  readonly args?: readonly Condition[]
  readonly errnoRet?: number
}

const EPERM = 1
const ENOSYS = 38
/** socket(2): below it are the families of local and Internet sockets, netlink and packets. */
const AF_ALG = 38
/** Between the kernel's crypto and the hypervisor's host: NFC, harmless. */
const AF_NFC = 39
const AF_VSOCK = 40
/** clone(2): new mount, cgroup, UTS, IPC, user, PID and network namespaces. */
const CLONE_NAMESPACES = 0x7e02_0000
/** personality(2): Linux as it is, 32 bits, and what asks which one it is. */
const PERSONALITIES = [0x0, 0x0008, 0x2_0000, 0x2_0008, 0xffff_ffff]

export const allowed = (...names: string[]): Rule => ({ names, action: 'SCMP_ACT_ALLOW' })

export const when = (name: string, args: readonly Condition[]): Rule => {
  return { names: [name], action: 'SCMP_ACT_ALLOW', args }
}

/** What jobs may call. */
export const RULES: readonly Rule[] = [
  allowed(...FILES, ...MEMORY, ...PROCESSES, ...SIGNALS, ...TIME, ...WAITING),
  allowed(...SOCKETS, ...BETWEEN_PROCESSES, 'getrandom'),
  when('socket', [{ index: 0, value: AF_ALG, op: 'SCMP_CMP_LT' }]),
  when('socket', [{ index: 0, value: AF_NFC, op: 'SCMP_CMP_EQ' }]),
  when('socket', [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_GT' }]),
  ...PERSONALITIES.map((value) => when('personality', [{ index: 0, value, op: 'SCMP_CMP_EQ' }])),
  // A new user namespace would make its maker root over all that the kernel lets such a root do.
  when('clone', [{ index: 0, value: CLONE_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }]),
  // Its flags lie in memory, where no filter can look: C libraries then take `clone`.
  { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS }
]

/** The engine is told every architecture, and takes those of its kernel. */
const ARCHITECTURES = [
  { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
  { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
  { architecture: 'SCMP_ARCH_RISCV64', subArchitectures: [] }
]

/** What `SecurityOpt` takes: the API wants the text, not a path. */
export function seccompOption(rules: readonly Rule[]): string {
  const filter = {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    archMap: ARCHITECTURES,
    syscalls: rules
  }
  return `seccomp=${JSON.stringify(filter)}`
}

export const SECCOMP_OPTION = seccompOption(RULES)
