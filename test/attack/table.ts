/** One try of `probe.c`, and what each profile must answer. */
export interface Row {
  readonly name: string
  /** What is tried, for people. */
  readonly what: string
  /** Each of these is a refusal, or all that is meant to be had. */
  readonly answers: readonly string[]
  /** What profile `strict` answers, where that is less still. */
  readonly strict?: readonly string[]
  /** The engine's defaults let it through: from this major version on they do not. */
  readonly openBefore?: number
}

const row = (name: string, what: string, ...answers: string[]): Row => {
  return { name, what, answers: answers.length === 0 ? ['EPERM'] : answers }
}

/** Engines of every version so far leave it open, however their owner set them up. */
const ALWAYS = Number.POSITIVE_INFINITY

const open = (before: number, of: Row): Row => ({ ...of, openBefore: before })

/** A stranger gets less than other jobs: where this is said, nothing else will do. */
const less = (of: Row, ...strict: string[]): Row => ({ ...of, strict })

/** Of process 1: what an engine sets, and two that keep GPUs away which the job does not lease. */
const VARIABLES = 'AMD_VISIBLE_DEVICES HOME HOSTNAME NVIDIA_VISIBLE_DEVICES PATH'
const NO_CAPABILITY = '0000000000000000'

/** What kernels lack cannot be had either. */
const ABSENT = ['ENOENT', 'ENOTDIR']

export const CALLS: readonly Row[] = [
  open(23, row('vsock', "socket to the hypervisor's host (`AF_VSOCK`)")),
  row('alg', "socket of the kernel's crypto (`AF_ALG`)"),
  open(ALWAYS, row('packet_socket', 'packet socket: frames of others')),
  open(ALWAYS, row('raw_socket', 'raw socket')),
  row('xdp', '`AF_XDP` socket', 'EPERM', 'EAFNOSUPPORT'),
  open(25, row('io_uring', '`io_uring_setup`: calls that no filter sees')),
  row('userfaultfd', '`userfaultfd`'),
  row('keyctl', '`keyctl`: the session keyring'),
  row('add_key', '`add_key`'),
  row('bpf', '`bpf`'),
  row('perf', '`perf_event_open`'),
  row('kexec', '`kexec_load`'),
  row('init_module', '`init_module`'),
  row('delete_module', '`delete_module`'),
  row('fanotify', '`fanotify_init`'),
  row('quotactl', '`quotactl`'),
  row('syslog', "`syslog`: the kernel's log"),
  row('acct', '`acct`'),
  row('settimeofday', 'set the clock'),
  row('sethostname', 'set the host name'),
  row('swapon', '`swapon`'),
  row('reboot', '`reboot`'),
  row('personality', 'turn off random addresses (`personality`)'),
  row('iopl', 'ports of the hardware (`iopl`)', 'EPERM', 'ENOSYS'),
  row('later_call', 'a call that came after this filter', 'EPERM', 'ENOSYS')
]

export const PROCESSES: readonly Row[] = [
  row('ptrace', '`ptrace`: trace itself'),
  row('ptrace_guard', '`ptrace` of process 1, the guard'),
  row('process_vm', '`process_vm_readv`'),
  row('pidfd_getfd', '`pidfd_getfd` of process 1'),
  row('kcmp', '`kcmp`'),
  row('guard_signals', 'SIGKILL and SIGSTOP to process 1', 'lives'),
  less(row('other_root', '`/proc/1/root`', 'its own', 'EACCES'), 'EACCES'),
  less(row('environment', 'names in `/proc/1/environ`', VARIABLES), 'EACCES'),
  row('setns', '`setns`'),
  ...['user', 'mount', 'net', 'pid', 'uts', 'ipc', 'cgroup', 'time'].map((kind) =>
    row(`unshare_${kind}`, `\`unshare\`: ${kind} namespace`)
  ),
  ...['user', 'mount', 'net', 'pid', 'uts', 'ipc', 'cgroup'].map((kind) =>
    row(`clone_${kind}`, `\`clone\`: ${kind} namespace`)
  ),
  row('clone3', '`clone3`, whose flags no filter sees', 'ENOSYS')
]

export const FILES: readonly Row[] = [
  row('mount', 'mount a tmpfs'),
  row('mount_proc', 'mount another `/proc`'),
  row('mount_cgroup', 'mount control groups'),
  row('mount_magic', 'mount a tmpfs by the old magic number'),
  row('bind_mount', 'bind mount of the root'),
  row('bind_proc', 'bind mount of `/proc` without its masks'),
  row('remount_proc', 'make `/proc/sys` writable'),
  row('umount', 'take a mask off `/proc`'),
  row('pivot_root', '`pivot_root`'),
  open(ALWAYS, row('chroot', '`chroot`')),
  row('open_tree', '`open_tree`'),
  row('move_mount', '`move_mount`'),
  row('fsopen', '`fsopen`'),
  row('mount_setattr', '`mount_setattr`'),
  row('open_by_handle', "`open_by_handle_at`: the host's root folder"),
  row('name_to_handle', '`name_to_handle_at`'),
  open(ALWAYS, row('mknod_block', 'make a block device')),
  open(ALWAYS, row('mknod_char', 'make a character device')),
  row('device_open', "make and open the memory's device"),
  row('dev_mem', 'open `/dev/mem`', 'EPERM', ...ABSENT),
  row('dev_kmsg', 'open `/dev/kmsg`', 'EPERM', ...ABSENT),
  row('proc_sys', 'write to `/proc/sys`', 'EROFS', 'EACCES'),
  row('sysrq', 'write to `/proc/sysrq-trigger`', 'EROFS', 'EACCES', ...ABSENT),
  row('proc_irq', 'write to `/proc/irq`, `/proc/bus`', 'EROFS', 'EACCES', ...ABSENT),
  row('sys', 'write to `/sys`', 'EROFS', 'EACCES', ...ABSENT),
  row('cgroup_files', 'write to control groups', 'EROFS', 'EACCES', ...ABSENT),
  row('cgroup_folder', 'make a control group', 'EROFS', 'EACCES', ...ABSENT),
  row('release_agent', 'write to `release_agent`', 'EROFS', 'EACCES', ...ABSENT),
  row('kcore', 'read `/proc/kcore`', 'empty', ...ABSENT),
  row('kernel_keys', 'read `/proc/keys`', 'empty', ...ABSENT),
  row('interrupts', 'read `/proc/interrupts`', 'empty', ...ABSENT),
  row('timer_list', 'read `/proc/timer_list`', 'empty', ...ABSENT),
  row('firmware', 'read `/sys/firmware`', 'empty', ...ABSENT),
  row('powercap', 'read the power meters', 'empty', ...ABSENT)
]

export const PRIVILEGES: readonly Row[] = [
  less(row('capabilities', 'capabilities in effect', '00000000000000fb'), NO_CAPABILITY),
  less(row('bounding_set', 'capabilities to be had', '00000000000000fb'), NO_CAPABILITY),
  row('no_new_privs', 'no new privileges', '1'),
  row('filter_mode', 'mode of seccomp', '2'),
  less(row('setuid_file', "a file of root's with the setuid bit", 'no change'), 'EPERM'),
  row('setuid_back', '`setuid(0)` of another user'),
  row('capset', 'take every capability'),
  row('core_dumps', 'lift the limit of core dumps'),
  row('priority', 'more than its share of the CPU', 'EPERM', 'EACCES'),
  row('real_time', 'real-time priority'),
  row('oom_score', 'let others go first when memory is short', 'EPERM', 'EACCES')
]

/** Of the box itself: nothing of it is in a container of the engine's own. */
export const BOX: readonly Row[] = [
  // A time, and no secret: what counts is that nobody here can change it.
  row('lease_read', 'read its own deadline', 'OPEN'),
  less(row('lease_write', 'write its deadline', 'EROFS'), 'EACCES', 'EROFS'),
  row('lease_create', 'lay a file beside it', 'EROFS'),
  row('lease_rename', 'rename it', 'EROFS', 'EBUSY'),
  row('lease_unlink', 'remove it', 'EROFS'),
  row('lease_chmod', 'change the mode of its folder', 'EROFS'),
  row('lease_overmount', 'mount over its folder'),
  row('lease_umount', 'unmount its folder'),
  row('lease_remount', 'make its folder writable'),
  less(row('guard_write', 'write the guard', 'EROFS'), 'EACCES', 'EROFS'),
  less(row('guard_unlink', 'remove the guard', 'EBUSY'), 'EROFS', 'EACCES'),
  // Between two file systems: all that a stranger can write to is one of its own.
  less(row('guard_replace', 'put another guard in its place', 'EBUSY'), 'EXDEV'),
  // It runs: that is found before the file system's being read-only.
  less(row('busybox_write', 'write the mounted busybox', 'EROFS', 'ETXTBSY'), 'EACCES', 'EROFS'),
  row('busybox_chmod', 'change its mode', 'EROFS'),
  less(row('busybox_unlink', 'remove it', 'EBUSY'), 'EROFS', 'EACCES'),
  less(row('busybox_replace', 'put another one in its place', 'EBUSY'), 'EXDEV')
]

/**
 * What root in the box can do to the box, and only to it, and a stranger's job cannot: the guardian
 * on the host and the agent end a container whose guard was changed
 * (`test/engine/guardian.test.ts`).
 */
export const CONTAINED: readonly Row[] = [
  less(row('guard_memory', "open the guard's memory to write", 'OPEN', 'EACCES', 'EPERM'), 'EACCES')
]

/** What ordinary jobs do, package managers above all; a stranger's makes do without the first. */
export const ORDINARY: readonly Row[] = [
  less(row('chown', 'give a file away', 'OPEN'), 'EPERM'),
  less(row('setuid', 'become another user', 'OPEN'), 'EPERM'),
  less(row('groups', 'change its groups', 'OPEN'), 'EPERM'),
  less(row('root_file', 'write to `/`', 'OPEN'), 'EROFS'),
  row('fifo', 'make a named pipe', 'OPEN'),
  // By settings that engines give a container's network, from 20.10 on.
  row('ping_socket', 'socket for pings (ICMP datagrams)', 'OPEN', 'EACCES'),
  row('low_port', 'listen on port 80', 'OPEN', 'EACCES')
]

export const ROWS: readonly Row[] = [
  ...CALLS,
  ...PROCESSES,
  ...FILES,
  ...PRIVILEGES,
  ...BOX,
  ...CONTAINED,
  ...ORDINARY
]

/** Answers of a probe by name. */
export interface Column {
  readonly head: string
  readonly answers: ReadonlyMap<string, string>
}

/** The rows as a table in Markdown. */
export function markdown(columns: readonly Column[]): string {
  const line = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const answer = (name: string, { answers }: Column): string => {
    const got = answers.get(name) ?? ''
    return got === 'OPEN' ? '**open**' : got
  }
  return [
    line('what is tried', ...columns.map(({ head }) => head)),
    line('---', ...columns.map(() => '---')),
    ...ROWS.map(({ name, what }) => line(what, ...columns.map((column) => answer(name, column))))
  ].join('\n')
}
