import { describe, expect, test } from 'vitest'
import { SECCOMP_OPTION } from '../../../agent/execute/seccomp-filter.ts'

interface Condition {
  readonly index: number
  readonly value: number
  readonly valueTwo?: number
  readonly op: string
}

interface Rule {
  readonly names: readonly string[]
  readonly action: string
  readonly args?: readonly Condition[]
  readonly errnoRet?: number
}

interface Filter {
  readonly defaultAction: string
  readonly defaultErrnoRet: number
  readonly archMap: readonly { readonly architecture: string }[]
  readonly syscalls: readonly Rule[]
}

const [OPTION = '', TEXT = ''] = /^([a-z]+=)(.*)$/s.exec(SECCOMP_OPTION)?.slice(1) ?? []
const FILTER = JSON.parse(TEXT) as Filter
const NAMES = FILTER.syscalls.flatMap(({ names }) => names)
const ALLOWED = FILTER.syscalls.filter(({ action }) => action === 'SCMP_ACT_ALLOW')
const FREE = new Set(ALLOWED.filter(({ args }) => args === undefined).flatMap(({ names }) => names))
const EPERM = 1
const ENOSYS = 38

const words = (text: string): string[] => text.trim().split(/\s+/)

/** What no job may ever call, and why. */
const NEVER: Readonly<Record<string, string[]>> = {
  'changes what is mounted': words(`mount umount umount2 pivot_root open_tree open_tree_attr
    move_mount fsopen fsconfig fsmount fspick mount_setattr swapon swapoff quotactl quotactl_fd`),
  'enters or makes namespaces': words('unshare setns'),
  'looks into other processes': words(`ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp
    perf_event_open lookup_dcookie`),
  'loads code into the kernel': words(`bpf init_module finit_module delete_module create_module
    query_module get_kernel_syms kexec_load kexec_file_load`),
  'goes around this filter': words('io_uring_setup io_uring_enter io_uring_register'),
  'holds the kernel still': words('userfaultfd'),
  'has no namespace of its own': words('keyctl add_key request_key'),
  'opens files without their paths': words('open_by_handle_at name_to_handle_at'),
  'watches other files': words('fanotify_init fanotify_mark'),
  'is for the owner of the host': words(`reboot acct settimeofday stime clock_settime
    clock_settime64 adjtimex clock_adjtime clock_adjtime64 syslog vhangup sethostname setdomainname
    iopl ioperm nfsservctl _sysctl uselib ustat sysfs vm86 vm86old bdflush vserver`),
  'takes memory of other nodes': words('mbind set_mempolicy migrate_pages move_pages'),
  'hides what it opens': words('socketcall')
}

/** What ordinary programs call at their start or in their daily work. */
const NEEDED: Readonly<Record<string, string[]>> = {
  'a C library': words(`access arch_prctl brk close exit_group fcntl fstat futex getrandom ioctl
    lseek mmap mprotect munmap newfstatat openat pread64 prlimit64 read readlink rseq rt_sigaction
    rt_sigprocmask rt_sigreturn set_robust_list set_tid_address statx wait4 write writev execve
    vfork fork dup2 dup3 pipe2 getcwd getdents64 uname umask kill tgkill sched_yield`),
  Go: words(`clock_gettime epoll_create1 epoll_ctl epoll_pwait eventfd2 fcntl futex getpid gettid
    madvise mincore mmap nanosleep pipe2 pidfd_open pidfd_send_signal rt_sigaction rt_sigprocmask
    sched_getaffinity sched_yield setitimer sigaltstack tgkill timer_create timer_settime
    timer_delete waitid copy_file_range splice sendfile faccessat2 fchmodat2 getrlimit setrlimit`),
  Java: words(`sched_getaffinity sysinfo getrusage clock_getres madvise mremap membarrier
    get_mempolicy set_robust_list prctl fallocate fdatasync getpriority setpriority statfs`),
  Node: words(`epoll_create1 epoll_ctl epoll_pwait eventfd2 pipe2 inotify_init1 inotify_add_watch
    inotify_rm_watch io_setup io_submit pkey_alloc pkey_mprotect statx sendmmsg recvmmsg getcpu
    socketpair accept4 capget setsid setpgid utimensat fsync ftruncate`),
  'package managers': words(`chown fchown lchown fchownat chmod fchmod fchmodat link linkat symlink
    symlinkat rename renameat renameat2 unlink unlinkat rmdir mkdir mkdirat mknod mknodat utimensat
    setxattr lsetxattr fsetxattr flock setuid setgid setgroups setresuid setresgid sync syncfs
    chroot seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self`),
  'databases under test': words(`semget semop semctl shmget shmat shmdt shmctl mq_open msync mlock
    setsid sched_setscheduler sched_setaffinity ioprio_set sync_file_range pwritev preadv2`),
  servers: words(`bind listen accept connect sendto recvfrom sendmsg recvmsg setsockopt getsockopt
    getsockname getpeername shutdown poll ppoll select pselect6 timerfd_create signalfd4`)
}

describe('the filter of system calls', () => {
  test('is the option that engines take, and refuses what it does not name', () => {
    expect(OPTION).toBe('seccomp=')
    expect(FILTER).toMatchObject({ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: EPERM })
    expect(NAMES.length).toBeGreaterThan(300)
  })

  test.each(Object.entries(NEVER))('names nothing that %s', (_why, never) => {
    expect(never.filter((name) => NAMES.includes(name))).toEqual([])
  })

  test.each([/^io_uring/, /^kexec/, /_module$/, /^process_vm/, /^fs(open|config|mount|pick)/])(
    'names nothing like %s, whatever a later kernel adds',
    (pattern) => {
      expect(NAMES.filter((name) => pattern.test(name))).toEqual([])
    }
  )

  test.each(Object.entries(NEEDED))('lets through what is needed by %s', (_who, needed) => {
    expect(needed.filter((name) => !FREE.has(name))).toEqual([])
  })

  test('names each call once, or once for each condition', () => {
    const conditional = new Set(['socket', 'personality'])
    const twice = NAMES.filter((name, index) => NAMES.indexOf(name) !== index)

    expect(new Set(twice)).toEqual(conditional)
    expect([...conditional].filter((name) => FREE.has(name))).toEqual([])
  })

  test('is made of rules of which each has names and an effect', () => {
    for (const { names, action, args = [], errnoRet } of FILTER.syscalls) {
      expect(names.length).toBeGreaterThan(0)
      for (const name of names) expect(name).toMatch(/^_?[a-z][a-z0-9_]*$/)
      expect(['SCMP_ACT_ALLOW', 'SCMP_ACT_ERRNO']).toContain(action)
      // An error without its number would be the engine's own choice.
      expect(errnoRet === undefined).toBe(action === 'SCMP_ACT_ALLOW')
      for (const { index, value, op } of args) {
        expect(index).toBe(0)
        expect(value).toBeGreaterThanOrEqual(0)
        expect(op).toMatch(/^SCMP_CMP_(EQ|LT|GT|MASKED_EQ)$/)
      }
    }
  })

  const rules = (name: string): readonly Rule[] =>
    FILTER.syscalls.filter(({ names }) => names.includes(name))

  /** What the kernel would do, as seccomp_rule_add(3) has it: the rules of a call are ors. */
  function passes(name: string, argument: number): boolean {
    return rules(name).some(({ action, args = [] }) => {
      return action === 'SCMP_ACT_ALLOW' && args.every((condition) => holds(condition, argument))
    })
  }

  test.each([
    ['local', 1, true],
    ['IPv4', 2, true],
    ['IPv6', 10, true],
    ['netlink', 16, true],
    ['the crypto of the kernel', 38, false],
    ['NFC', 39, true],
    ["the hypervisor's host", 40, false],
    ['a later one', 44, true]
  ])('lets sockets of the family %s (%i) through: %s', (_what, family, through) => {
    expect(passes('socket', family)).toBe(through)
  })

  test.each([
    ['a thread', 0x003d_0f00, true],
    ['a process', 0x0120_0011, true],
    ['mounts', 0x0002_0000, false],
    ['control groups', 0x0200_0000, false],
    ['names', 0x0400_0000, false],
    ['shared memory', 0x0800_0000, false],
    ['users', 0x1000_0000, false],
    ['processes', 0x2000_0000, false],
    ['networks', 0x4000_0000, false],
    ['users, hidden among the flags of a thread', 0x103d_0f00, false]
  ])('lets clone through for %s: %s', (_what, flags, through) => {
    expect(passes('clone', flags)).toBe(through)
  })

  test('says of clone3 that there is none: its flags cannot be looked at', () => {
    const names = ['clone3']
    expect(rules('clone3')).toEqual([{ names, action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS }])
  })

  test.each([
    ['Linux', 0, true],
    ['32 bits', 8, true],
    ['the question which', 0xffff_ffff, true],
    ['memory without random places', 0x004_0000, false],
    ['memory that may be run', 0x040_0000, false],
    ['page zero mapped', 0x010_0000, false]
  ])('lets the personality %s through: %s', (_what, persona, through) => {
    expect(passes('personality', persona)).toBe(through)
  })

  test('holds for each architecture that there are agents for', () => {
    const architectures = FILTER.archMap.map(({ architecture }) => architecture)
    expect(architectures).toEqual(['SCMP_ARCH_X86_64', 'SCMP_ARCH_AARCH64', 'SCMP_ARCH_RISCV64'])
  })
})

function holds({ op, value, valueTwo }: Condition, argument: number): boolean {
  switch (op) {
    case 'SCMP_CMP_EQ':
      return argument === value
    case 'SCMP_CMP_LT':
      return argument < value
    case 'SCMP_CMP_GT':
      return argument > value
    case 'SCMP_CMP_MASKED_EQ':
      return (BigInt(argument) & BigInt(value)) === BigInt(valueTwo ?? -1)
    default:
      throw new Error(`unknown comparison ${op}`)
  }
}
