/* What a hostile author does to process and descriptors. Each call answers a line "name errno" per attempt (0: it went
 * through), so that the test decides what may. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hostile.h"

static int tell(wayang_call *call, const char *name, long result) {
    char line[128];
    int length = snprintf(line, sizeof line, "%s %d\n", name, result < 0 ? errno : 0);
    return wayang_append(call, line, (size_t)length);
}

static long map_result(void *address) {
    return address == MAP_FAILED ? -1 : 0;
}

/* Attempts on the doorbell and on both files. What the kernel lets through must not matter to the daemon. */
int hostile_descriptors(wayang_call *call, const void *input, size_t length) {
    (void)input, (void)length;
    uint8_t *d = (uint8_t *)(uintptr_t)WY_CHANNEL_D_ADDRESS;
    uint8_t *w = (uint8_t *)(uintptr_t)WY_CHANNEL_W_ADDRESS;
    uint64_t value = 0;
    int failed = 0;
    failed |= tell(call, "clear_nonblock", fcntl(WY_WORKER_FD_DOORBELL, F_SETFL, 0));
    failed |= tell(call, "set_nonblock", fcntl(WY_WORKER_FD_DOORBELL, F_SETFL, O_NONBLOCK));
    failed |= tell(call, "read_doorbell", read(WY_WORKER_FD_DOORBELL, &value, sizeof value));
    failed |= tell(call, "truncate_doorbell", ftruncate(WY_WORKER_FD_DOORBELL, 0));
    failed |= tell(call, "write_d", mprotect(d, WY_CHANNEL_HEADER_BYTES, PROT_READ | PROT_WRITE));
    failed |= tell(call, "punch_d", madvise(d, WY_CHANNEL_HEADER_BYTES, MADV_REMOVE));
    failed |= tell(call, "grow_w", map_result(mremap(w, WY_CHANNEL_HEADER_BYTES, 1u << 30, 0)));
    failed |= tell(call, "open_self", syscall(SYS_openat, AT_FDCWD, "/proc/self/fd/3", O_RDWR));
    failed |= tell(call, "new_memory_file", syscall(SYS_memfd_create, "x", 0));
    failed |= tell(call, "executable_w", mprotect(w, WY_CHANNEL_HEADER_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC));
    return failed;
}

/* Takes its own file away from under its loop, and `more` bytes beyond its end with it. */
static uint8_t *move_file(size_t more, size_t *bytes) {
    const wy_channel_header *d = (const wy_channel_header *)(uintptr_t)WY_CHANNEL_D_ADDRESS;
    *bytes = WY_CHANNEL_FILE_BYTES(d->peer_slots, d->peer_arena_bytes);
    return mremap((void *)(uintptr_t)WY_CHANNEL_W_ADDRESS, *bytes, *bytes + more, MREMAP_MAYMOVE);
}

static int move_w(wayang_call *call, const void *input, size_t length) {
    (void)input, (void)length;
    size_t bytes;
    return tell(call, "move_w", map_result(move_file(1u << 30, &bytes)));
}

/* Touches the mapping beyond the file's sealed end. */
static int past_end(wayang_call *call, const void *input, size_t length) {
    (void)input, (void)length;
    size_t bytes;
    volatile uint8_t *moved = move_file(4096, &bytes);
    if (moved == MAP_FAILED) {
        return tell(call, "past_end", -1);
    }
    moved[bytes] = 1;
    return tell(call, "past_end", 0);
}

/* Fills the counter of the doorbell and waits in a blocking write, where the filter lets it clear O_NONBLOCK. */
int hostile_block_doorbell(wayang_call *call, const void *input, size_t length) {
    (void)input, (void)length;
    const uint64_t most = UINT64_MAX - 1;
    if (fcntl(WY_WORKER_FD_DOORBELL, F_SETFL, 0) != 0) {
        return wayang_fail(call, "refused", strerrorname_np(errno));
    }
    for (;;) {
        ssize_t written = write(WY_WORKER_FD_DOORBELL, &most, sizeof most);
        (void)written;
    }
}

/* Input: paths, each NUL-terminated. */
static int open_paths(wayang_call *call, const void *input, size_t length) {
    const char *path = input;
    const char *end = path + length;
    for (; path < end; path += strlen(path) + 1) {
        if (tell(call, path, syscall(SYS_openat, AT_FDCWD, path, O_RDONLY)) != 0) {
            return 1;
        }
    }
    return 0;
}

/* Waits without burning a core until it is asked to stop. */
static int wait_cancelled(wayang_call *call, const void *input, size_t length) {
    (void)input, (void)length;
    static const char told[] = "waiting\n";
    wayang_log(call, WAYANG_LOG_INFO, told, sizeof told - 1);
    while (!wayang_cancelled(call)) {
        attack_pause();
    }
    return wayang_append(call, "stopped", 7);
}

/* As above, deaf. */
static int wait_for_ever(wayang_call *call, const void *input, size_t length) {
    (void)call, (void)input, (void)length;
    volatile int for_ever = 1;
    while (for_ever) {
        attack_pause();
    }
    return 0;
}

static int eat_memory(wayang_call *call, const void *input, size_t length) {
    (void)input, (void)length;
    const size_t step = 16u << 20;
    for (;;) {
        void *block = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED) {
            return wayang_fail(call, "no_memory", strerrorname_np(errno));
        }
        memset(block, 1, step);
    }
}

/* Input: the exit code in decimal. */
static int exit_with(wayang_call *call, const void *input, size_t length) {
    (void)call, (void)length;
    _exit(atoi(input));
}

/* Input: name of a dangerous system call. */
static int dangerous(wayang_call *call, const void *input, size_t length) {
    (void)length;
    static const struct {
        const char *name;
        long number;
    } all[] = {
        {"ptrace", SYS_ptrace},
        {"mount", SYS_mount},
        {"unshare", SYS_unshare},
        {"bpf", SYS_bpf},
        {"setns", SYS_setns},
        {"process_vm_readv", SYS_process_vm_readv},
        {"userfaultfd", SYS_userfaultfd},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(all[i].name, input) == 0) {
            long result = syscall(all[i].number, 0L, 0L, 0L, 0L, 0L);
            return wayang_fail(call, result < 0 ? "refused" : "allowed", all[i].name);
        }
    }
    return wayang_fail(call, "unknown", input);
}

static int open_socket(wayang_call *call, const void *input, size_t length) {
    (void)input, (void)length;
    return tell(call, "socket", socket(AF_INET, SOCK_STREAM, 0));
}

static int start_child(wayang_call *call, const void *input, size_t length) {
    (void)input, (void)length;
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    return tell(call, "fork", child);
}

int wayang_plugin_init(const wayang_host *host, wayang_registry *registry) {
    static const struct {
        const char *name;
        wayang_function run;
    } all[] = {
        {"hints", hostile_hints},
        {"publish", hostile_publish},
        {"lethal_names", hostile_lethal_names},
        {"flood", hostile_flood},
        {"flood_slots", hostile_flood_slots},
        {"bad_head", hostile_bad_head},
        {"guess", hostile_guess},
        {"false_cost", hostile_false_cost},
        {"descriptors", hostile_descriptors},
        {"move_w", move_w},
        {"past_end", past_end},
        {"block_doorbell", hostile_block_doorbell},
        {"open_paths", open_paths},
        {"wait_cancelled", wait_cancelled},
        {"wait_for_ever", wait_for_ever},
        {"eat_memory", eat_memory},
        {"exit_with", exit_with},
        {"dangerous", dangerous},
        {"open_socket", open_socket},
        {"start_child", start_child},
    };
    (void)host;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (registry->add(registry, all[i].name, all[i].run, NULL) != 0) {
            return 1;
        }
    }
    return 0;
}
