/*
 * Counts and fails what a process asks of its disk: preloaded before the C library (LD_PRELOAD).
 *
 * DISK_SHIM names a file of four 64-bit numbers, mapped by the process and by whoever tests it:
 * the syncs so far; an errno that each following sync fails with; an errno that each following write fails with; how long each
 * following sync waits before it is made, in ms: one that waits goes on when the number becomes smaller.
 * Only descriptors of files whose name contains DISK_SHIM_NAME count and fail.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct control {
  uint64_t syncs;
  uint64_t sync_errno;
  uint64_t write_errno;
  uint64_t sync_delay_ms;
};

static struct control *control;

__attribute__((constructor)) static void map_control(void) {
  const char *path = getenv("DISK_SHIM");
  int fd = path == NULL ? -1 : open(path, O_RDWR);
  void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) {
    fprintf(stderr, "disk shim: cannot map DISK_SHIM\n");
    abort();
  }
  control = mapped;
  close(fd);
}

static int is_watched(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  const char *name = getenv("DISK_SHIM_NAME");
  return name != NULL && strstr(path, name) != NULL;
}

static void wait_before_sync(void) {
  for (uint64_t waited = 0; waited < __atomic_load_n(&control->sync_delay_ms, __ATOMIC_SEQ_CST); waited += 5) usleep(5000);
}

static int synced(int fd, const char *function) {
  int saved = errno;
  if (is_watched(fd)) {
    __atomic_add_fetch(&control->syncs, 1, __ATOMIC_SEQ_CST);
    wait_before_sync();
    if (control->sync_errno != 0) {
      errno = (int)control->sync_errno;
      return -1;
    }
  }
  errno = saved;
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, function);
  return real(fd);
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }

static ssize_t written(int fd, const void *bytes, size_t count, off64_t offset, const char *function) {
  if (control->write_errno != 0 && is_watched(fd)) {
    errno = (int)control->write_errno;
    return -1;
  }
  ssize_t (*real)(int, const void *, size_t, off64_t) =
      (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, function);
  return real(fd, bytes, count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
  return written(fd, bytes, count, offset, "pwrite");
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  return written(fd, bytes, count, offset, "pwrite64");
}
