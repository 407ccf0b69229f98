/*
 * What a stranger's program may try from inside a box. Each try runs in a process of its own, and
 * prints one line: its name, a tab, and the answer: the name of the error, OPEN where it went
 * through, or what it found. Everything here is harmless where it goes through.
 *   probe                all of them
 *   probe sockets N      opens N sockets and says how many
 *   probe uid            the effective user, for a program with the setuid bit
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Numbers that every architecture shares, of calls that headers may not have yet. */
enum {
  NR_pidfd_open = 434, NR_clone3 = 435, NR_pidfd_getfd = 438, NR_io_uring_setup = 425,
  NR_open_tree = 428, NR_move_mount = 429, NR_fsopen = 430, NR_mount_setattr = 442,
  NR_quotactl_fd = 443, NR_later = 600
};

#define FAMILY_ALG 38
#define FAMILY_VSOCK 40
#define FAMILY_XDP 44
#define NEW_TIME 0x80
#define NEW_CGROUP 0x02000000
#define PROCESS_ONE 1
/* Nobody's user. */
#define OTHER 1234

typedef long attempt(void);

static const char *self;

static const char *word(int error) {
  const char *name = strerrorname_np(error);
  return name == NULL ? "?" : name;
}

static void say(const char *name, const char *answer) {
  printf("%s\t%s\n", name, answer);
  fflush(stdout);
}

/* In a process of its own: some of these end their caller. */
static void try(const char *name, attempt *made) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    errno = 0;
    long got = made();
    say(name, got < 0 ? word(errno) : "OPEN");
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) say(name, "killed");
}

/* sockets */
static long vsock(void) { return socket(FAMILY_VSOCK, SOCK_STREAM, 0); }
static long alg(void) { return socket(FAMILY_ALG, SOCK_SEQPACKET, 0); }
static long packet(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static long raw(void) { return socket(AF_INET, SOCK_RAW, 1); }
static long xdp(void) { return socket(FAMILY_XDP, SOCK_RAW, 0); }

/* calls into parts of the kernel that a job has no business in */
static long uring(void) {
  char parameters[256] = {0};
  return syscall(NR_io_uring_setup, 1, parameters);
}
static long faults(void) { return syscall(SYS_userfaultfd, 1); }
static long keyring(void) { return syscall(SYS_keyctl, 0, -3, 0, 0, 0); }
static long key(void) { return syscall(SYS_add_key, "user", "probe", "x", 1L, -3); }
static long bpf(void) { char attributes[128] = {1}; return syscall(SYS_bpf, 0, attributes, 72); }
static long perf(void) {
  char attributes[128] = {0};
  attributes[0] = 1;
  attributes[4] = 64;
  return syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0L);
}
static long kexec(void) { return syscall(SYS_kexec_load, 0L, 0L, NULL, 0L); }
static long module(void) { return syscall(SYS_init_module, "x", 1L, ""); }
static long unload(void) { return syscall(SYS_delete_module, "no_such_module", 0); }
static long fanotify(void) { return syscall(SYS_fanotify_init, 0, 0); }
static long quota(void) { return syscall(SYS_quotactl, 0x80000700, NULL, 0, NULL); }
static long dmesg(void) { return syscall(SYS_syslog, 10, NULL, 0); }
static long account(void) { return syscall(SYS_acct, NULL); }
static long clock_set(void) { return syscall(SYS_settimeofday, NULL, NULL); }
static long host_name(void) {
  char name[65] = "";
  if (gethostname(name, sizeof name - 1) < 0) return -1;
  return sethostname(name, strlen(name));
}
static long swap_on(void) { return syscall(SYS_swapon, "/no/such/swap", 0); }
static long restart(void) { return reboot(RB_DISABLE_CAD); }
static long no_random(void) { return syscall(SYS_personality, 0x0040000); }
static long later(void) { return syscall(NR_later, 0); }
#ifdef SYS_iopl
static long ports(void) { return syscall(SYS_iopl, 3); }
#else
static long ports(void) { errno = ENOSYS; return -1; }
#endif

/* other processes, process 1 above all */
static long trace(void) { return ptrace(PTRACE_SEIZE, PROCESS_ONE, 0, 0); }
static long trace_me(void) { return ptrace(PTRACE_TRACEME, 0, 0, 0); }
static long read_memory(void) {
  char from = 'x', to = 0;
  struct iovec here = {&to, 1}, there = {&from, 1};
  return process_vm_readv(getpid(), &here, 1, &there, 1, 0);
}
static long steal_file(void) {
  int pid = (int)syscall(NR_pidfd_open, PROCESS_ONE, 0);
  return pid < 0 ? -1 : syscall(NR_pidfd_getfd, pid, 0, 0);
}
static long compare(void) { return syscall(SYS_kcmp, getpid(), getpid(), 0, 0L, 0L); }
static long guard_memory(void) { return open("/proc/1/mem", O_RDWR); }

/* Process 1 of a namespace takes no deadly signal from inside it, and none that stops it. */
static void guard_signals(void) {
  char line[512] = "";
  kill(PROCESS_ONE, SIGKILL);
  kill(PROCESS_ONE, SIGSTOP);
  FILE *stat = fopen("/proc/1/stat", "r");
  if (stat == NULL || fgets(line, sizeof line, stat) == NULL) return say("guard_signals", "OPEN");
  const char *state = strrchr(line, ')');
  say("guard_signals", state != NULL && strchr("TtZX", state[2]) == NULL ? "lives" : "OPEN");
}

/* mounts and roots */
static long mount_memory(void) { return mount("none", "/tmp", "tmpfs", 0, NULL); }
static long mount_proc(void) { return mount("proc", "/tmp", "proc", 0, NULL); }
static long mount_groups(void) {
  if (mount("none", "/tmp", "cgroup", 0, "rdma") == 0) return 0;
  return mount("none", "/tmp", "cgroup2", 0, NULL);
}
/* The magic number that mount(2) once began with: the kernel drops all that it covers. */
static long mount_magic(void) { return mount("none", "/tmp", "tmpfs", 0xC0ED0000ul, NULL); }
/* Without what lies on it: its masks. */
static long bind_proc(void) { return mount("/proc", "/tmp", NULL, MS_BIND, NULL); }
static long bind_root(void) { return mount("/", "/tmp", NULL, MS_BIND, NULL); }
static long remount_proc(void) {
  return mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL);
}
static long unmount(void) { return umount2("/proc/kcore", MNT_DETACH); }
static long pivot(void) { return syscall(SYS_pivot_root, "/tmp", "/tmp"); }
static long root_change(void) { return chroot("/tmp"); }
static long tree(void) { return syscall(NR_open_tree, AT_FDCWD, "/", 1); }
static long move(void) { return syscall(NR_move_mount, AT_FDCWD, "/tmp", AT_FDCWD, "/tmp", 0); }
static long new_file_system(void) { return syscall(NR_fsopen, "tmpfs", 0); }
static long mount_flags(void) {
  uint64_t attributes[4] = {0, 1, 0, 0};
  return syscall(NR_mount_setattr, AT_FDCWD, "/proc/sys", 0, attributes, sizeof attributes);
}
static long by_handle(void) {
  /* Inode 2 is the root folder of most file systems, the host's among them. */
  struct { struct file_handle head; unsigned char bytes[8]; } handle = {{8, 1}, {2}};
  int where = open("/", O_RDONLY | O_DIRECTORY);
  return syscall(SYS_open_by_handle_at, where, &handle, O_RDONLY);
}
static long handle_of(void) {
  struct { struct file_handle head; unsigned char bytes[128]; } handle = {{128, 0}, {0}};
  int mount_id;
  return syscall(SYS_name_to_handle_at, AT_FDCWD, "/", &handle, &mount_id, 0);
}

/* namespaces */
static long enter(void) {
  int own = open("/proc/self/ns/net", O_RDONLY);
  return setns(own, CLONE_NEWNET);
}
static long new_users(void) { return unshare(CLONE_NEWUSER); }
static long new_mounts(void) { return unshare(CLONE_NEWNS); }
static long new_network(void) { return unshare(CLONE_NEWNET); }
static long new_pids(void) { return unshare(CLONE_NEWPID); }
static long new_names(void) { return unshare(CLONE_NEWUTS); }
static long new_ipc(void) { return unshare(CLONE_NEWIPC); }
static long new_groups(void) { return unshare(NEW_CGROUP); }
static long new_time(void) { return unshare(NEW_TIME); }

static long cloned(unsigned long flag) {
  long child = syscall(SYS_clone, flag | SIGCHLD, 0L, 0L, 0L, 0L);
  if (child == 0) _exit(0);
  if (child > 0) waitpid((pid_t)child, NULL, 0);
  return child;
}
static long clone_users(void) { return cloned(CLONE_NEWUSER); }
static long clone_mounts(void) { return cloned(CLONE_NEWNS); }
static long clone_network(void) { return cloned(CLONE_NEWNET); }
static long clone_pids(void) { return cloned(CLONE_NEWPID); }
static long clone_names(void) { return cloned(CLONE_NEWUTS); }
static long clone_ipc(void) { return cloned(CLONE_NEWIPC); }
static long clone_groups(void) { return cloned(NEW_CGROUP); }
static long clone_late(void) { return syscall(NR_clone3, NULL, 0L); }

/* devices */
static long made(mode_t type, unsigned major, unsigned minor) {
  unlink("/tmp/device");
  return mknod("/tmp/device", type | 0600, makedev(major, minor));
}
static long block_device(void) { return made(S_IFBLK, 8, 0); }
static long memory_device(void) { return made(S_IFCHR, 1, 1); }
static long opened_device(void) {
  return made(S_IFCHR, 1, 1) < 0 ? -1 : open("/tmp/device", O_RDWR);
}
static long memory_file(void) { return open("/dev/mem", O_RDONLY); }
static long message_file(void) { return open("/dev/kmsg", O_RDONLY); }

/* privileges */
static long user_back(void) { return setresuid(OTHER, OTHER, OTHER) < 0 ? -1 : setuid(0); }
static long all_capabilities(void) {
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{~0u, ~0u, 0}, {0x1ff, 0x1ff, 0}};
  return syscall(SYS_capset, &head, data);
}
static long core_dumps(void) {
  struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
  return setrlimit(RLIMIT_CORE, &all);
}
static long priority(void) { return setpriority(PRIO_PROCESS, 0, -20); }
static long real_time(void) {
  struct sched_param first = {1};
  return sched_setscheduler(0, SCHED_FIFO, &first);
}

static long copied(const char *from, const char *to) {
  char bytes[65536];
  int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
  ssize_t got;
  while ((got = read(in, bytes, sizeof bytes)) > 0) {
    if (write(out, bytes, (size_t)got) != got) return -1;
  }
  close(in);
  close(out);
  return got;
}

/* A program of root's with the setuid bit, run by somebody else. */
static void setuid_file(void) {
  const char *file = "/tmp/setuid";
  if (copied(self, file) < 0 || chmod(file, 04755) < 0) return say("setuid_file", word(errno));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    if (setresuid(OTHER, OTHER, OTHER) < 0) say("setuid_file", word(errno));
    else execl(file, file, "uid", NULL);
    _exit(0);
  }
  waitpid(child, NULL, 0);
}

static void status_line(const char *name, const char *key) {
  char line[256];
  FILE *status = fopen("/proc/self/status", "r");
  while (status != NULL && fgets(line, sizeof line, status) != NULL) {
    if (strncmp(line, key, strlen(key)) != 0 || line[strlen(key)] != ':') continue;
    line[strcspn(line, "\n")] = 0;
    say(name, line + strlen(key) + 2);
  }
}

/* files of the kernel */
static void writes(const char *name, const char *const paths[]) {
  int error = ENOENT;
  for (; *paths != NULL; paths++) {
    if (open(*paths, O_WRONLY) >= 0) return say(name, "OPEN");
    if (errno != ENOENT) error = errno;
  }
  say(name, word(error));
}

/* Masked files are empty, masked folders have nothing in them. */
static void reads(const char *name, const char *path) {
  char bytes[4096];
  int file = open(path, O_RDONLY);
  if (file < 0) return say(name, word(errno));
  ssize_t got = read(file, bytes, sizeof bytes);
  if (got < 0 && errno == EISDIR) {
    got = syscall(SYS_getdents64, file, bytes, sizeof bytes);
    /* An empty folder has itself and the one above: 24 bytes each. */
    got = got > 48 ? got : 0;
  }
  say(name, got > 0 ? "OPEN" : "empty");
}

/* Version 1 has a folder for each controller, in a file system of the container's own. */
static long group_folder(void) {
  int is_one = access("/sys/fs/cgroup/pids", F_OK) == 0;
  return mkdir(is_one ? "/sys/fs/cgroup/pids/probe" : "/sys/fs/cgroup/probe", 0700);
}
static long oom_score(void) {
  int file = open("/proc/self/oom_score_adj", O_WRONLY);
  return write(file, "-1000", 5);
}

static void other_root(void) {
  struct stat own, first;
  if (stat("/", &own) < 0 || stat("/proc/1/root/", &first) < 0) {
    return say("other_root", word(errno));
  }
  say("other_root", own.st_dev == first.st_dev && own.st_ino == first.st_ino ? "its own" : "OPEN");
}

/* Names alone: what is secret would be a value. */
static void environment(void) {
  char bytes[8192] = "", names[1024] = "";
  int file = open("/proc/1/environ", O_RDONLY);
  ssize_t size = file < 0 ? -1 : read(file, bytes, sizeof bytes - 1);
  if (size < 0) return say("environment", word(errno));
  for (char *at = bytes; at < bytes + size; at += strlen(at) + 1) {
    size_t used = strlen(names);
    snprintf(names + used, sizeof names - used, "%s%.*s", used ? " " : "",
             (int)strcspn(at, "="), at);
  }
  say("environment", names[0] == 0 ? "none" : names);
}

/* what the box is held by; absent where a container is not ours */
#define BOX "/.runner-mesh"
#define LEASE BOX "/lease"

static long lease_read(void) { return open(LEASE "/deadline", O_RDONLY); }
static long lease_write(void) { return open(LEASE "/deadline", O_WRONLY); }
static long lease_new(void) { return open(LEASE "/later", O_WRONLY | O_CREAT, 0600); }
static long lease_rename(void) { return rename(LEASE "/deadline", LEASE "/older"); }
static long lease_unlink(void) { return unlink(LEASE "/deadline"); }
static long lease_over(void) { return mount("none", LEASE, "tmpfs", 0, NULL); }
static long lease_off(void) { return umount2(LEASE, MNT_DETACH); }
static long lease_remount(void) {
  return mount(NULL, LEASE, NULL, MS_REMOUNT | MS_BIND, NULL);
}
static long lease_mode(void) { return chmod(LEASE, 0777); }
static long guard_write(void) { return open(BOX "/guard.sh", O_WRONLY); }
static long guard_unlink(void) { return unlink(BOX "/guard.sh"); }
static long guard_replace(void) {
  close(open("/tmp/guard", O_WRONLY | O_CREAT, 0755));
  return rename("/tmp/guard", BOX "/guard.sh");
}
static long busybox_mode(void) { return chmod(BOX "/busybox", 0777); }
static long busybox_write(void) { return open(BOX "/busybox", O_WRONLY); }
static long busybox_unlink(void) { return unlink(BOX "/busybox"); }
static long busybox_replace(void) {
  close(open("/tmp/busybox", O_WRONLY | O_CREAT, 0755));
  return rename("/tmp/busybox", BOX "/busybox");
}

/* what ordinary jobs do */
static long ping_socket(void) { return socket(AF_INET, SOCK_DGRAM, 1); }
static long owner(void) {
  close(open("/tmp/owned", O_WRONLY | O_CREAT, 0644));
  return chown("/tmp/owned", OTHER, OTHER);
}
static long user(void) { return setresuid(OTHER, OTHER, OTHER); }
/* An answer alone does not say that it was done. */
static void groups(void) {
  gid_t wanted[2] = {OTHER, OTHER + 1};
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    if (syscall(SYS_setgroups, 2, wanted) < 0) say("groups", word(errno));
    else say("groups", getgroups(0, NULL) == 2 ? "OPEN" : "pretended");
    _exit(0);
  }
  waitpid(child, NULL, 0);
}
static long low_port(void) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(80)};
  return bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&any, sizeof any);
}
static long root_file(void) { return open("/probed", O_WRONLY | O_CREAT, 0644); }
static long fifo(void) { return mkfifo("/tmp/fifo", 0600); }

struct row { const char *name; attempt *made; };

static const struct row ROWS[] = {
  {"vsock", vsock}, {"alg", alg}, {"packet_socket", packet}, {"raw_socket", raw}, {"xdp", xdp},
  {"io_uring", uring}, {"userfaultfd", faults}, {"keyctl", keyring}, {"add_key", key},
  {"bpf", bpf}, {"perf", perf}, {"kexec", kexec}, {"init_module", module},
  {"delete_module", unload}, {"fanotify", fanotify}, {"quotactl", quota}, {"syslog", dmesg},
  {"acct", account}, {"settimeofday", clock_set}, {"sethostname", host_name},
  {"swapon", swap_on}, {"reboot", restart}, {"personality", no_random}, {"iopl", ports},
  {"later_call", later},
  {"ptrace", trace_me}, {"ptrace_guard", trace}, {"process_vm", read_memory},
  {"pidfd_getfd", steal_file}, {"kcmp", compare}, {"guard_memory", guard_memory},
  {"mount", mount_memory}, {"mount_proc", mount_proc}, {"mount_cgroup", mount_groups},
  {"mount_magic", mount_magic},
  {"bind_mount", bind_root}, {"bind_proc", bind_proc}, {"remount_proc", remount_proc}, {"umount", unmount},
  {"pivot_root", pivot}, {"chroot", root_change}, {"open_tree", tree}, {"move_mount", move},
  {"fsopen", new_file_system}, {"mount_setattr", mount_flags}, {"open_by_handle", by_handle},
  {"name_to_handle", handle_of},
  {"setns", enter}, {"unshare_user", new_users}, {"unshare_mount", new_mounts},
  {"unshare_net", new_network}, {"unshare_pid", new_pids}, {"unshare_uts", new_names},
  {"unshare_ipc", new_ipc}, {"unshare_cgroup", new_groups}, {"unshare_time", new_time},
  {"clone_user", clone_users}, {"clone_mount", clone_mounts}, {"clone_net", clone_network},
  {"clone_pid", clone_pids}, {"clone_uts", clone_names}, {"clone_ipc", clone_ipc},
  {"clone_cgroup", clone_groups}, {"clone3", clone_late},
  {"mknod_block", block_device}, {"mknod_char", memory_device}, {"device_open", opened_device},
  {"dev_mem", memory_file}, {"dev_kmsg", message_file},
  {"setuid_back", user_back}, {"capset", all_capabilities}, {"core_dumps", core_dumps},
  {"priority", priority}, {"real_time", real_time}, {"oom_score", oom_score},
  {"cgroup_folder", group_folder},
  {"ping_socket", ping_socket}, {"chown", owner}, {"setuid", user}, {"low_port", low_port},
  {"root_file", root_file}, {"fifo", fifo}
};

static const struct row BOX_ROWS[] = {
  {"lease_read", lease_read}, {"lease_write", lease_write}, {"lease_create", lease_new},
  {"lease_rename", lease_rename}, {"lease_unlink", lease_unlink}, {"lease_overmount", lease_over},
  {"lease_umount", lease_off}, {"lease_remount", lease_remount}, {"lease_chmod", lease_mode},
  {"guard_write", guard_write}, {"guard_unlink", guard_unlink}, {"guard_replace", guard_replace},
  {"busybox_write", busybox_write}, {"busybox_chmod", busybox_mode}, {"busybox_unlink", busybox_unlink},
  {"busybox_replace", busybox_replace}
};

#define LIST(...) (const char *const[]) {__VA_ARGS__, NULL}
#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Where a job may kill process 1 it ends its own box: `spare` leaves that out, to see the rest. */
static int all(int spare) {
  for (size_t i = 0; i < COUNT(ROWS); i++) try(ROWS[i].name, ROWS[i].made);
  int is_box = access(BOX, F_OK) == 0;
  for (size_t i = 0; i < COUNT(BOX_ROWS); i++) {
    if (is_box) try(BOX_ROWS[i].name, BOX_ROWS[i].made);
    else say(BOX_ROWS[i].name, "absent");
  }
  if (!spare) guard_signals();
  groups();
  setuid_file();
  status_line("capabilities", "CapEff");
  status_line("bounding_set", "CapBnd");
  status_line("no_new_privs", "NoNewPrivs");
  status_line("filter_mode", "Seccomp");
  writes("proc_sys", LIST("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
                          "/proc/sys/vm/drop_caches", "/proc/sys/kernel/randomize_va_space"));
  writes("sysrq", LIST("/proc/sysrq-trigger"));
  writes("proc_irq", LIST("/proc/irq/0/smp_affinity", "/proc/bus/pci/00/00.0"));
  writes("sys", LIST("/sys/kernel/uevent_helper", "/sys/module/kernel/parameters/panic",
                     "/sys/power/state", "/sys/kernel/mm/transparent_hugepage/enabled"));
  writes("cgroup_files", LIST("/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/pids.max",
                              "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/pids/pids.max",
                              "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                              "/sys/fs/cgroup/devices/devices.allow"));
  writes("release_agent", LIST("/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/rdma/release_agent",
                               "/sys/fs/cgroup/pids/release_agent"));
  reads("kcore", "/proc/kcore");
  reads("kernel_keys", "/proc/keys");
  reads("interrupts", "/proc/interrupts");
  reads("timer_list", "/proc/timer_list");
  reads("firmware", "/sys/firmware");
  reads("powercap", "/sys/devices/virtual/powercap");
  other_root();
  environment();
  return 0;
}

static int sockets(int wanted) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  int count = 0;
  while (count < wanted && socket(AF_UNIX, SOCK_DGRAM, 0) >= 0) count++;
  printf("sockets\t%d\n", count);
  fflush(stdout);
  /* Held until the box ends. */
  pause();
  return 0;
}

int main(int count, char **words) {
  self = words[0];
  if (count == 3 && strcmp(words[1], "sockets") == 0) return sockets(atoi(words[2]));
  if (count == 2 && strcmp(words[1], "uid") == 0) {
    say("setuid_file", geteuid() == 0 ? "OPEN" : "no change");
    return 0;
  }
  return all(count == 2 && strcmp(words[1], "spare") == 0);
}
