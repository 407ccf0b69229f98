/*
 * Preloaded into one daemon: makes its disk slow or broken, and its wall clock wrong, as the first
 * bytes of the file CHAOS_FAULTS say. The file is mapped, so a change is felt by the next call.
 * The boot and monotonic clocks are left alone: so are leases, or a test finds out.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* All in the byte order of this host; written by disk.ts. */
struct faults {
  int64_t wall_offset_ms;
  int64_t sync_delay_ms;
  int64_t sync_fails;
};

static const struct faults none;
static volatile const struct faults *faults = &none;

__attribute__((constructor)) static void map_faults(void) {
  const char *path = getenv("CHAOS_FAULTS");
  if (path == NULL) return;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  void *page = mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) faults = page;
}

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

/* Zero where the call may go on; else -1 with errno, as the disk would say it. */
static int disturb(void) {
  int64_t delay_ms = faults->sync_delay_ms;
  if (delay_ms > 0) {
    struct timespec pause = {delay_ms / 1000, (delay_ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
  }
  if (!faults->sync_fails) return 0;
  errno = EIO;
  return -1;
}

int fsync(int file) {
  static int (*next)(int);
  if (next == NULL) next = real("fsync");
  return disturb() != 0 ? -1 : next(file);
}

int fdatasync(int file) {
  static int (*next)(int);
  if (next == NULL) next = real("fdatasync");
  return disturb() != 0 ? -1 : next(file);
}

int sync_file_range(int file, off64_t from, off64_t count, unsigned int flags) {
  static int (*next)(int, off64_t, off64_t, unsigned int);
  if (next == NULL) next = real("sync_file_range");
  return disturb() != 0 ? -1 : next(file, from, count, flags);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*next)(clockid_t, struct timespec *);
  if (next == NULL) next = real("clock_gettime");
  int result = next(clock, now);
  if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
  int64_t nanos = now->tv_nsec + (faults->wall_offset_ms % 1000) * 1000000;
  now->tv_sec += faults->wall_offset_ms / 1000 + (nanos < 0 ? -1 : nanos / 1000000000);
  now->tv_nsec = nanos < 0 ? nanos + 1000000000 : nanos % 1000000000;
  return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec exact;
  if (clock_gettime(CLOCK_REALTIME, &exact) != 0) return -1;
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *now) {
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  if (now != NULL) *now = exact.tv_sec;
  return exact.tv_sec;
}
