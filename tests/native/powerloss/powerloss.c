/* Preloaded into a process, writes down what it does to the files below a directory, and what of it was synchronized: whoever reads the journal knows
 * what a disk may hold when the power goes at any moment of it. Each entry is written after its operation, in one write, so that its place in
 * the journal is its place in time.
 *
 *   POWERLOSS_ROOT     the directory; files of any depth below it
 *   POWERLOSS_JOURNAL  the journal, opened at the first entry
 *
 * What it does not see: mappings (SQLite's -shm, which no restart reads), and descriptors that came by dup or a socket. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_FD 65536
#define SHOWN __attribute__((visibility("default")))

enum entry_kind { ENTRY_OPEN = 1, ENTRY_WRITE, ENTRY_TRUNCATE, ENTRY_SYNC, ENTRY_UNLINK, ENTRY_RENAME, ENTRY_SYNC_DIRECTORY };
enum open_flag { OPEN_CREATED = 1, OPEN_TRUNCATED = 2, OPEN_DIRECTORY = 4 };

typedef struct entry {
    uint32_t kind, length; /* bytes behind it: data, or a name; of a rename two names with a NUL between */
    uint64_t file;         /* its inode */
    uint64_t offset;       /* of a write, a truncation; of an open its flags */
} entry;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t inodes[MAX_FD]; /* 0: not below the root */
static uint8_t directories[MAX_FD];
static char root[PATH_MAX];
static size_t root_length;
static int journal = -2; /* -2: not asked yet, -1: none */

/* Under the lock. */
static int is_journaled(void) {
    if (journal == -2) {
        const char *folder = getenv("POWERLOSS_ROOT"), *file = getenv("POWERLOSS_JOURNAL");
        journal = -1;
        if (folder != NULL && file != NULL && strlen(folder) < sizeof(root)) {
            root_length = strlen(strcpy(root, folder));
            journal = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
            (void)fchmod(journal, 0666); /* who asks first may be root, and who writes the daemon's user */
        }
    }
    return journal >= 0;
}

static void append(entry header, const void *bytes) {
    struct iovec parts[] = {{&header, sizeof(header)}, {(void *)(uintptr_t)bytes, header.length}};
    ssize_t whole = (ssize_t)(sizeof(header) + header.length);
    if (syscall(SYS_writev, journal, parts, header.length == 0 ? 1 : 2) != whole) {
        abort(); /* a journal with a hole proves nothing */
    }
}

/* The part of `path` behind the root; NULL: it is elsewhere. */
static const char *below(const char *path) {
    return path != NULL && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0) ? path + root_length : NULL;
}

static void opened(int fd, const char *path, int existed, int flags) {
    struct stat found;
    if (fd < 0 || fd >= MAX_FD) {
        return;
    }
    inodes[fd] = 0;
    const char *name = below(path);
    if (name == NULL || fstat(fd, &found) != 0) {
        return;
    }
    inodes[fd] = found.st_ino;
    directories[fd] = S_ISDIR(found.st_mode);
    if (S_ISREG(found.st_mode) || directories[fd]) {
        uint64_t what = (existed ? 0u : OPEN_CREATED) | ((flags & O_TRUNC) != 0 ? OPEN_TRUNCATED : 0u) | (directories[fd] ? OPEN_DIRECTORY : 0u);
        append((entry){ENTRY_OPEN, (uint32_t)strlen(name), found.st_ino, what}, name);
    }
}

static int is_concerned(const char *path) {
    pthread_mutex_lock(&lock);
    int concerned = is_journaled() && below(path) != NULL;
    pthread_mutex_unlock(&lock);
    return concerned;
}

static int open_at(int directory, const char *path, int flags, mode_t mode) {
    if (!is_concerned(path)) {
        return (int)syscall(SYS_openat, directory, path, flags, mode); /* perhaps a pipe that waits for its other end */
    }
    pthread_mutex_lock(&lock);
    struct stat found;
    int existed = stat(path, &found) == 0;
    int fd = (int)syscall(SYS_openat, directory, path, flags, mode);
    int error = errno;
    opened(fd, path, existed, flags);
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

#define MODE_OF(flags, last)                                                                                                                         \
    mode_t mode = 0;                                                                                                                                 \
    if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                                                                                                    \
        va_list more;                                                                                                                                \
        va_start(more, last);                                                                                                                        \
        mode = va_arg(more, mode_t);                                                                                                                 \
        va_end(more);                                                                                                                                \
    }

SHOWN int open(const char *path, int flags, ...) {
    MODE_OF(flags, flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

SHOWN int open64(const char *path, int flags, ...) {
    MODE_OF(flags, flags)
    return open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

SHOWN int openat(int directory, const char *path, int flags, ...) {
    MODE_OF(flags, flags)
    return open_at(directory, path, flags, mode);
}

SHOWN int openat64(int directory, const char *path, int flags, ...) {
    MODE_OF(flags, flags)
    return open_at(directory, path, flags | O_LARGEFILE, mode);
}

static uint64_t file_of(int fd) {
    return fd >= 0 && fd < MAX_FD && journal >= 0 && !directories[fd] ? inodes[fd] : 0;
}

SHOWN int close(int fd) {
    if (fd >= 0 && fd < MAX_FD && inodes[fd] != 0) {
        pthread_mutex_lock(&lock);
        inodes[fd] = 0;
        directories[fd] = 0;
        pthread_mutex_unlock(&lock);
    }
    return (int)syscall(SYS_close, fd);
}

/* Of what was written, where it stands now. `at` < 0: at the descriptor's own offset, which is behind it. */
static void wrote(int fd, const void *bytes, ssize_t length, off_t at) {
    if (length > 0) {
        off_t start = at >= 0 ? at : lseek(fd, 0, SEEK_CUR) - length;
        append((entry){ENTRY_WRITE, (uint32_t)length, inodes[fd], (uint64_t)start}, bytes);
    }
}

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t at) {
    pthread_mutex_lock(&lock);
    ssize_t done = at < 0 ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, at);
    int error = errno;
    if (file_of(fd) != 0) {
        wrote(fd, bytes, done, at);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

SHOWN ssize_t write(int fd, const void *bytes, size_t length) {
    if (file_of(fd) == 0) {
        return syscall(SYS_write, fd, bytes, length); /* perhaps a pipe: nobody may wait for it */
    }
    return write_at(fd, bytes, length, -1);
}

SHOWN ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    return write_at(fd, bytes, length, at);
}

SHOWN ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) {
    return write_at(fd, bytes, length, at);
}

static ssize_t write_parts(int fd, const struct iovec *parts, int count, off_t at) {
    ssize_t whole = 0;
    for (int i = 0; i < count; i++) {
        ssize_t done = write_at(fd, parts[i].iov_base, parts[i].iov_len, at < 0 ? -1 : at + whole);
        if (done < 0) {
            return whole > 0 ? whole : done;
        }
        whole += done;
        if ((size_t)done < parts[i].iov_len) {
            break;
        }
    }
    return whole;
}

SHOWN ssize_t writev(int fd, const struct iovec *parts, int count) {
    return file_of(fd) == 0 ? syscall(SYS_writev, fd, parts, count) : write_parts(fd, parts, count, -1);
}

SHOWN ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    return write_parts(fd, parts, count, at);
}

SHOWN ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at) {
    return write_parts(fd, parts, count, at);
}

static int truncate_fd(int fd, off_t length) {
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_ftruncate, fd, length);
    int error = errno;
    if (done == 0 && file_of(fd) != 0) {
        append((entry){ENTRY_TRUNCATE, 0, inodes[fd], (uint64_t)length}, NULL);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

SHOWN int ftruncate(int fd, off_t length) {
    return truncate_fd(fd, length);
}

SHOWN int ftruncate64(int fd, off_t length) {
    return truncate_fd(fd, length);
}

/* The entries before its own are on the disk; whether writes that went on beside it are, nobody knows, so the lock is held. */
static int synchronize(int fd, long call) {
    pthread_mutex_lock(&lock);
    int done = (int)syscall(call, fd);
    int error = errno;
    if (done == 0 && fd >= 0 && fd < MAX_FD && journal >= 0 && inodes[fd] != 0) {
        append((entry){directories[fd] ? ENTRY_SYNC_DIRECTORY : ENTRY_SYNC, 0, inodes[fd], 0}, NULL);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

SHOWN int fsync(int fd) {
    return synchronize(fd, SYS_fsync);
}

SHOWN int fdatasync(int fd) {
    return synchronize(fd, SYS_fdatasync);
}

SHOWN int unlink(const char *path) {
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_unlink, path);
    int error = errno;
    const char *name = is_journaled() ? below(path) : NULL;
    if (done == 0 && name != NULL) {
        append((entry){ENTRY_UNLINK, (uint32_t)strlen(name), 0, 0}, name);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

SHOWN int rename(const char *from, const char *to) {
    char names[2 * PATH_MAX];
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_rename, from, to);
    int error = errno;
    if (done == 0 && is_journaled() && below(from) != NULL && below(to) != NULL) {
        size_t first = strlen(strcpy(names, below(from))) + 1;
        strcpy(names + first, below(to));
        append((entry){ENTRY_RENAME, (uint32_t)(first + strlen(names + first)), 0, 0}, names);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}
