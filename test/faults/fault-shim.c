/*
 * Preloaded into a process, it stands between the process and the disk and the clock.
 *
 *   PERDURE_SHIM_FILE        the database file; its -wal and -journal are meant too, its -shm is not
 *   PERDURE_SHIM_LOG         every write, truncation, sync and removal is appended here: a write before it is made, a sync
 *                            after it was made, so that after a SIGKILL the log tells what a power cut may take away
 *   PERDURE_SHIM_KILL_AT     SIGKILL at the n-th operation on these files
 *   PERDURE_SHIM_KILL_AT_MAIN  SIGKILL at the n-th operation on the database file itself: within a checkpoint
 *   PERDURE_SHIM_FULL_AFTER  the disk is full after n bytes
 *   PERDURE_SHIM_EIO_AT      the n-th sync fails with EIO, once
 *   PERDURE_SHIM_SLOW_MS     every sync takes this long
 *   PERDURE_SHIM_CLOCK       a file of 8 bytes: the wall clock is off by so many ms, and changes when the file does
 *
 * Syncs are not passed on to the disk: the machine itself stays up. A log record is a header and the written bytes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { MAIN = 0, WAL = 1, JOURNAL = 2, DIRECTORY = 3, OTHER = -1 };

struct record {
  uint32_t magic;
  uint8_t type; /* W write, T truncate, S sync, D sync of the directory, U unlink */
  uint8_t file;
  uint16_t zero;
  uint64_t offset;
  uint64_t length;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *path;
static size_t path_length, directory_length;
static int log_fd = -1;
static long kill_at = -1, kill_at_main = -1, eio_at = -1, slow_ms = 0;
static long long full_after = -1;
static volatile int64_t *clock_offset_ms;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);
static int (*real_ftruncate64)(int, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_gettimeofday)(struct timeval *, void *);

static long number_of(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text == NULL ? otherwise : atol(text);
}

__attribute__((constructor)) static void begin(void) {
  real_write = dlsym(RTLD_NEXT, "write");
  real_pwrite64 = dlsym(RTLD_NEXT, "pwrite64");
  real_ftruncate64 = dlsym(RTLD_NEXT, "ftruncate64");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_unlink = dlsym(RTLD_NEXT, "unlink");
  real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  real_gettimeofday = dlsym(RTLD_NEXT, "gettimeofday");
  kill_at = number_of("PERDURE_SHIM_KILL_AT", -1);
  kill_at_main = number_of("PERDURE_SHIM_KILL_AT_MAIN", -1);
  full_after = number_of("PERDURE_SHIM_FULL_AFTER", -1);
  eio_at = number_of("PERDURE_SHIM_EIO_AT", -1);
  slow_ms = number_of("PERDURE_SHIM_SLOW_MS", 0);
  const char *log = getenv("PERDURE_SHIM_LOG");
  if (log != NULL) log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const char *clock = getenv("PERDURE_SHIM_CLOCK");
  if (clock != NULL) {
    int fd = open(clock, O_RDONLY | O_CLOEXEC);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) abort();
    clock_offset_ms = page;
  }
  path = getenv("PERDURE_SHIM_FILE");
  if (path == NULL) return;
  if (log != NULL && log_fd < 0) abort();
  path_length = strlen(path);
  directory_length = (size_t)(strrchr(path, '/') - path);
}

static int file_named(const char *name, size_t length) {
  if (length == directory_length && strncmp(name, path, length) == 0) return DIRECTORY;
  if (length < path_length || strncmp(name, path, path_length) != 0) return OTHER;
  if (length == path_length) return MAIN;
  if (length == path_length + 4 && strncmp(name + path_length, "-wal", 4) == 0) return WAL;
  if (length == path_length + 8 && strncmp(name + path_length, "-journal", 8) == 0) return JOURNAL;
  return OTHER;
}

static int file_of(int fd) {
  if (path == NULL) return OTHER;
  char link[64], name[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, name, sizeof name);
  return length < 0 ? OTHER : file_named(name, (size_t)length);
}

/* Called with the lock held, before the operation. */
static void count(int file) {
  if (kill_at > 0 && --kill_at == 0) kill(getpid(), SIGKILL);
  if (file == MAIN && kill_at_main > 0 && --kill_at_main == 0) kill(getpid(), SIGKILL);
}

static void note(char type, int file, uint64_t offset, const void *data, uint64_t length) {
  if (log_fd < 0) return;
  struct record header = {0x50574c47, (uint8_t)type, (uint8_t)file, 0, offset, length};
  struct iovec parts[2] = {{&header, sizeof header}, {(void *)data, data == NULL ? 0 : length}};
  if (syscall(SYS_writev, log_fd, parts, 2) < 0) abort();
}

/* How much of a write the disk takes: 0 means that it is full. */
static size_t room_for(size_t length) {
  if (full_after < 0) return length;
  size_t room = (long long)length <= full_after ? length : (size_t)full_after;
  full_after -= (long long)room;
  return room;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
  int file = file_of(fd);
  if (file == OTHER || file == DIRECTORY) return real_pwrite64(fd, data, length, offset);
  pthread_mutex_lock(&lock);
  ssize_t written = -1;
  size_t room = room_for(length);
  if (room == 0 && length > 0) errno = ENOSPC;
  else {
    note('W', file, (uint64_t)offset, data, room);
    count(file);
    written = real_pwrite64(fd, data, room, offset);
  }
  pthread_mutex_unlock(&lock);
  return written;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
  return pwrite64(fd, data, length, offset);
}

ssize_t write(int fd, const void *data, size_t length) {
  int file = file_of(fd);
  if (file == OTHER || file == DIRECTORY) return real_write(fd, data, length);
  off_t offset = lseek(fd, 0, SEEK_CUR);
  ssize_t written = pwrite64(fd, data, length, offset);
  if (written > 0) lseek(fd, offset + written, SEEK_SET);
  return written;
}

int ftruncate64(int fd, off64_t length) {
  int file = file_of(fd);
  if (file == OTHER || file == DIRECTORY) return real_ftruncate64(fd, length);
  pthread_mutex_lock(&lock);
  note('T', file, (uint64_t)length, NULL, 0);
  count(file);
  int result = real_ftruncate64(fd, length);
  pthread_mutex_unlock(&lock);
  return result;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int sync_of(int fd, int (*real)(int)) {
  int file = file_of(fd);
  if (file == OTHER) return real(fd);
  if (slow_ms > 0) usleep((useconds_t)slow_ms * 1000);
  pthread_mutex_lock(&lock);
  count(file);
  int result = 0;
  if (file != DIRECTORY && eio_at > 0 && --eio_at == 0) {
    errno = EIO;
    result = -1;
  } else note(file == DIRECTORY ? 'D' : 'S', file, 0, NULL, 0);
  pthread_mutex_unlock(&lock);
  return result;
}

int fsync(int fd) { return sync_of(fd, real_fsync); }

int fdatasync(int fd) { return sync_of(fd, real_fdatasync); }

int unlink(const char *name) {
  int file = path == NULL ? OTHER : file_named(name, strlen(name));
  if (file == OTHER || file == DIRECTORY) return real_unlink(name);
  pthread_mutex_lock(&lock);
  note('U', file, 0, NULL, 0);
  count(file);
  int result = real_unlink(name);
  pthread_mutex_unlock(&lock);
  return result;
}

int clock_gettime(clockid_t id, struct timespec *time) {
  int result = real_clock_gettime(id, time);
  if (result == 0 && clock_offset_ms != NULL && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
    int64_t ns = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec + *clock_offset_ms * 1000000;
    time->tv_sec = ns / 1000000000;
    time->tv_nsec = ns % 1000000000;
  }
  return result;
}

int gettimeofday(struct timeval *time, void *zone) {
  int result = real_gettimeofday(time, zone);
  if (result == 0 && clock_offset_ms != NULL) {
    int64_t us = (int64_t)time->tv_sec * 1000000 + time->tv_usec + *clock_offset_ms * 1000;
    time->tv_sec = us / 1000000;
    time->tv_usec = us % 1000000;
  }
  return result;
}
