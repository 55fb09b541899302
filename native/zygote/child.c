/* A worker between its clone and its first task. */
#include "zygote/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel/layout.h"
#include "init/init.h"
#include "spawner/protocol.h"

#define HIGH_FD 64 /* above every fixed number */
#define SIZE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define NO_WRITE_SEALS (SIZE_SEALS | F_SEAL_FUTURE_WRITE)
#define EXIT_NOT_STARTED 125

typedef struct mapped_file {
    void *address;
    uint64_t bytes;
} mapped_file;

wy_status wy_channel_reserve(wy_error *error) {
    const uint64_t addresses[] = {WY_CHANNEL_D_ADDRESS, WY_CHANNEL_W_ADDRESS};
    for (int i = 0; i < 2; i++) {
        void *wanted = (void *)(uintptr_t)addresses[i];
        if (mmap(wanted, WY_CHANNEL_RESERVED_BYTES, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) != wanted) {
            return wy_fail(error, WY_SYSTEM, errno, "channel", "cannot reserve its addresses: %s", strerror(errno));
        }
    }
    return WY_OK;
}

/* Without the seals the other side could shrink the file under us: every access would be a SIGBUS in wait. */
static wy_status map_file(int fd, int needed_seals, uint64_t address, int protection, mapped_file *out,
                          wy_error *error) {
    struct stat facts;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & needed_seals) != needed_seals) {
        return wy_fail(error, WY_INVALID, 0, "channel", "a file lacks its seals (%x of %x)", (unsigned)seals,
                       (unsigned)needed_seals);
    }
    if (fstat(fd, &facts) != 0 || facts.st_size < (off_t)WY_CHANNEL_HEADER_BYTES || facts.st_size % 4096 != 0 ||
        facts.st_size > (off_t)WY_CHANNEL_RESERVED_BYTES) {
        return wy_fail(error, WY_INVALID, 0, "channel", "a file's size is out of range");
    }
    out->bytes = (uint64_t)facts.st_size;
    out->address = mmap((void *)(uintptr_t)address, out->bytes, protection, MAP_SHARED | MAP_FIXED, fd, 0);
    return out->address == MAP_FAILED
               ? wy_fail(error, WY_SYSTEM, errno, "channel", "cannot map a file: %s", strerror(errno))
               : WY_OK;
}

static void tell(int boot, uint32_t type, const wy_error *error) {
    wy_boot message;
    memset(&message, 0, sizeof message);
    message.type = type;
    if (error != NULL) {
        message.error = *error;
    }
    while (write(boot, &message, sizeof message) < 0 && errno == EINTR) {
    }
}

/* Stops here until the spawner has put us into our group; its end-of-file means that nobody wants us any more. */
static void wait_for_go(void) {
    wy_boot message;
    ssize_t got = 0;
    do {
        got = read(WY_WORKER_FD_BOOT, &message, sizeof message);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof message || message.type != WY_BOOT_GO) {
        _exit(EXIT_NOT_STARTED);
    }
}

/* Moves descriptors to fixed numbers, over high ones so that none overwrites another on the way. */
static wy_status place(const int *from, const int *to, int count, wy_error *error) {
    int high[8];
    for (int i = 0; i < count; i++) {
        high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, HIGH_FD);
        if (high[i] < 0) {
            return wy_fail(error, WY_SYSTEM, errno, "descriptors", "dup: %s", strerror(errno));
        }
    }
    for (int i = 0; i < count; i++) {
        if (dup2(high[i], to[i]) < 0) {
            return wy_fail(error, WY_SYSTEM, errno, "descriptors", "dup2: %s", strerror(errno));
        }
    }
    return WY_OK;
}

static void on_abort(int number) {
    (void)number;
    _exit(WY_WORKER_EXIT_ABORTED);
}

static _Noreturn void run_call(const wy_zygote_state *zygote, wy_sandbox *sandbox, const int *descriptors) {
    const int from[] = {descriptors[FORK_DOORBELL], descriptors[FORK_BOOT]};
    const int to[] = {WY_WORKER_FD_DOORBELL, WY_WORKER_FD_BOOT};
    mapped_file d, w;
    wy_error error;
    int boot = descriptors[FORK_BOOT];
    memset(&error, 0, sizeof error);
    (void)signal(SIGABRT, on_abort);
    wy_status status = map_file(descriptors[FORK_D], NO_WRITE_SEALS, WY_CHANNEL_D_ADDRESS, PROT_READ, &d, &error);
    if (status == WY_OK) {
        status = map_file(descriptors[FORK_W], SIZE_SEALS, WY_CHANNEL_W_ADDRESS, PROT_READ | PROT_WRITE, &w, &error);
    }
    if (status == WY_OK) {
        status = wy_worker_open(d.address, d.bytes, w.address, w.bytes, &error);
    }
    if (status == WY_OK) {
        status = place(from, to, 2, &error);
        boot = status == WY_OK ? WY_WORKER_FD_BOOT : boot;
    }
    if (status == WY_OK) {
        status = wy_sandbox_enter(sandbox, &error);
    }
    if (status != WY_OK) {
        tell(boot, WY_BOOT_FAILED, &error);
        _exit(EXIT_NOT_STARTED);
    }
    tell(boot, WY_BOOT_READY, NULL);
    wait_for_go();
    for (int fd = 0; fd <= WY_WORKER_FD_BOOT; fd++) {
        if (fd != WY_WORKER_FD_DOORBELL) {
            (void)close(fd);
        }
    }
    _exit(wy_worker_run(zygote->image, d.address, w.address));
}

static _Noreturn void run_command(wy_sandbox *sandbox, const int *descriptors, uint32_t count) {
    const int from[] = {descriptors[FORK_STDIN],  descriptors[FORK_STDOUT],    descriptors[FORK_STDERR],
                        descriptors[FORK_BOOT],   descriptors[FORK_ARTIFACTS], descriptors[FORK_STAGE]};
    const int to[] = {0, 1, 2, WY_WORKER_FD_BOOT, WY_INIT_FD_ARTIFACTS, WY_INIT_FD_STAGE};
    int with_files = count == WY_FORK_FILES_FDS;
    wy_arguments arguments;
    wy_stage stage = {.fd = -1};
    wy_error error;
    int boot = descriptors[FORK_BOOT];
    memset(&error, 0, sizeof error);
    sandbox->pids += sandbox->pids > 0 ? 1 : 0; /* init is not the task's */
    wy_status status = wy_arguments_read(descriptors[FORK_ARGUMENTS], &arguments, &error);
    if (status == WY_OK) {
        status = place(from, to, with_files ? 6 : 4, &error);
        boot = status == WY_OK ? WY_WORKER_FD_BOOT : boot;
    }
    if (status == WY_OK && with_files) {
        status = wy_stage_read(WY_INIT_FD_STAGE, &stage, &error);
        sandbox->stage = &stage;
        sandbox->kept[sandbox->kept_count++] = WY_INIT_FD_ARTIFACTS;
        sandbox->kept[sandbox->kept_count++] = WY_INIT_FD_STAGE;
    }
    if (status == WY_OK) {
        status = wy_init_prepare(&error);
    }
    if (status == WY_OK) {
        status = wy_sandbox_enter(sandbox, &error);
    }
    if (status != WY_OK) {
        tell(boot, WY_BOOT_FAILED, &error);
        _exit(EXIT_NOT_STARTED);
    }
    tell(boot, WY_BOOT_READY, NULL);
    wait_for_go();
    (void)close(WY_WORKER_FD_SECCOMP_LISTENER);
    wy_init_run(&arguments, with_files ? &stage : NULL);
}

_Noreturn void wy_child_run(const wy_zygote_state *zygote, const wy_zygote_fork *request, const int *descriptors,
                            uint32_t descriptor_count) {
    wy_sandbox sandbox = zygote->sandbox;
    const wy_zygote_config *config = &zygote->config;
    /* A request may lower the profile's limits, never raise them. */
    sandbox.pids = request->pids < config->pids ? request->pids : config->pids;
    sandbox.tmpfs_bytes = request->tmpfs_bytes > 0 && request->tmpfs_bytes < config->tmpfs_bytes ? request->tmpfs_bytes
                                                                                                 : config->tmpfs_bytes;
    /* Above every number that the others are put at. */
    if ((request->extras & WY_FORK_SPACE) != 0) {
        sandbox.space = fcntl(descriptors[--descriptor_count], F_DUPFD_CLOEXEC, HIGH_FD);
    }
    if ((request->extras & WY_FORK_NETWORK) != 0) {
        sandbox.network_channel = fcntl(descriptors[--descriptor_count], F_DUPFD_CLOEXEC, HIGH_FD);
    }
    if (config->image_kind == WY_IMAGE_COMMAND) {
        run_command(&sandbox, descriptors, descriptor_count);
    }
    run_call(zygote, &sandbox, descriptors);
}
