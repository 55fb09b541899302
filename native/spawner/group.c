/* One group per tenant, out of a pool: making three directories costs more than the fork they are for. A group keeps its
 * limits, so that the next tenant of the same kind costs one write per hierarchy, the join. */
#include "spawner/group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define POOL_LOOKS 16 /* at groups that are free, for one with the same limits */

static int put(const wy_cgroups *groups, int c, const wy_group *group, const char *file, const char *text) {
    char path[80];
    snprintf(path, sizeof path, "g%u/%s", group->number, file);
    int fd = openat(wy_group_dir(groups, c, group), path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t written = write(fd, text, strlen(text));
    int failure = errno;
    close(fd);
    errno = failure;
    return written < 0 ? -1 : 0;
}

static int put_number(const wy_cgroups *groups, int c, const wy_group *group, const char *file, uint64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return put(groups, c, group, file, text);
}

/* Memory and swap together: else a worker over its limit would swap on, and the limit would be a delay. Growing, memory with
 * swap has to go first; shrinking, last: so it is tried on both sides. */
static int write_memory(const wy_cgroups *groups, const wy_group *group, uint64_t bytes) {
    int c = WY_CONTROLLER_MEMORY;
    if (groups->unified[c]) {
        put(groups, c, group, "memory.swap.max", "0");
        put(groups, c, group, "memory.oom.group", "1");
        return put_number(groups, c, group, "memory.max", bytes);
    }
    put_number(groups, c, group, "memory.memsw.limit_in_bytes", bytes);
    int result = put_number(groups, c, group, "memory.limit_in_bytes", bytes);
    int failure = errno;
    put_number(groups, c, group, "memory.memsw.limit_in_bytes", bytes);
    put(groups, c, group, "memory.swappiness", "0");
    errno = failure;
    return result;
}

/* What reclaim leaves to it while there is other memory: it slows nobody down and kills nobody. memory.high is left alone: a
 * task that is slowed to a standstill at its limit would only end later, without the cause. */
static int write_reserve(const wy_cgroups *groups, const wy_group *group, uint64_t bytes) {
    int c = WY_CONTROLLER_MEMORY;
    if (groups->unified[c]) {
        return put_number(groups, c, group, "memory.low", bytes);
    }
    return bytes == 0 ? put(groups, c, group, "memory.soft_limit_in_bytes", "-1")
                      : put_number(groups, c, group, "memory.soft_limit_in_bytes", bytes);
}

/* By class (normal, batch, idle, urgent), scaled. A group whose processes come and go by the thousand is weighed anew at each of
 * them, and the kernel lets it run on beyond its share, the longer the less the others weigh: beside a normal group
 * a quarter of its weight was enough to hold it up for tenths of a second. So batch has a fiftieth, and a dozen of them still less
 * than one of normal. */
static void write_weight(const wy_cgroups *groups, const wy_group *group, const wy_limits *limits) {
    static const uint32_t shares[] = {1024, 16, 2, 16384}, weights[] = {100, 2, 1, 1600};
    int c = WY_CONTROLLER_CPU;
    /* A group of idle weight 3 still preempts nobody: cpu.idle makes it what SCHED_IDLE is for a task. */
    put(groups, c, group, "cpu.idle", limits->nice_class == 2 ? "1" : "0");
    if (limits->nice_class != 2) {
        uint64_t scaled = (uint64_t)(groups->unified[c] ? weights : shares)[limits->nice_class] * limits->cpu_weight / 100;
        uint64_t least = groups->unified[c] ? 1 : 2; /* the kernel's own bounds; none of these reaches the highest */
        put_number(groups, c, group, groups->unified[c] ? "cpu.weight" : "cpu.shares", scaled > least ? scaled : least);
    }
}

/* So much CPU time in each tenth of a second, summed over all processors. */
static int write_cap(const wy_cgroups *groups, const wy_group *group, uint32_t milli) {
    char text[40];
    int c = WY_CONTROLLER_CPU;
    if (groups->unified[c]) {
        if (milli == 0) {
            return put(groups, c, group, "cpu.max", "max 100000");
        }
        snprintf(text, sizeof text, "%llu 100000", (unsigned long long)milli * 100);
        return put(groups, c, group, "cpu.max", text);
    }
    return milli == 0 ? put(groups, c, group, "cpu.cfs_quota_us", "-1")
                      : put_number(groups, c, group, "cpu.cfs_quota_us", (uint64_t)milli * 100);
}

static wy_status write_cpu(wy_cgroups *groups, wy_group *group, const wy_limits *limits, bool fresh, wy_error *error) {
    bool moved = wy_group_take_side(groups, group, limits->nice_class);
    if (fresh || moved || limits->nice_class != group->limits.nice_class || limits->cpu_weight != group->limits.cpu_weight) {
        write_weight(groups, group, limits);
    }
    bool change = fresh ? limits->cpu_milli != 0 : moved || limits->cpu_milli != group->limits.cpu_milli;
    return change && write_cap(groups, group, limits->cpu_milli) != 0
               ? wy_fail(error, WY_SYSTEM, errno, "cgroup", "the cap of CPU time cannot be set")
               : WY_OK;
}

void wy_group_weigh(wy_cgroups *groups, wy_group *group, uint32_t nice_class) {
    if (groups->base_fd[WY_CONTROLLER_CPU] < 0 || nice_class == group->limits.nice_class) {
        return;
    }
    group->limits.nice_class = nice_class;
    bool moved = wy_group_take_side(groups, group, nice_class);
    write_weight(groups, group, &group->limits);
    if (moved) {
        write_cap(groups, group, group->limits.cpu_milli); /* before they are there: a cap is never lifted for a moment */
        wy_group_move_members(groups, group);
    }
}

static wy_status write_limits(wy_cgroups *groups, wy_group *group, const wy_limits *limits, bool fresh, wy_error *error) {
    if (groups->base_fd[WY_CONTROLLER_MEMORY] >= 0 && (fresh || limits->memory_bytes != group->limits.memory_bytes) &&
        write_memory(groups, group, limits->memory_bytes) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "cgroup", "the memory limit cannot be set");
    }
    if (groups->base_fd[WY_CONTROLLER_PIDS] >= 0 && (fresh || limits->pids != group->limits.pids) &&
        put_number(groups, WY_CONTROLLER_PIDS, group, "pids.max", limits->pids) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "cgroup", "the limit of processes cannot be set");
    }
    bool reserve = fresh ? limits->reserve_bytes != 0 : limits->reserve_bytes != group->limits.reserve_bytes;
    if (groups->base_fd[WY_CONTROLLER_MEMORY] >= 0 && reserve && write_reserve(groups, group, limits->reserve_bytes) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "cgroup", "the reserved memory cannot be set");
    }
    if (groups->base_fd[WY_CONTROLLER_CPU] >= 0) {
        wy_status status = write_cpu(groups, group, limits, fresh, error);
        if (status != WY_OK) {
            return status;
        }
    }
    if (wy_io_any(&limits->io) && wy_group_limit_io(groups, group, &limits->io) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "cgroup", "the rates of disk I/O cannot be set");
    }
    group->limits = *limits;
    return WY_OK;
}

static bool same_base(const wy_cgroups *groups, int a, int b) {
    return groups->base_fd[b] >= 0 && strcmp(groups->base[a], groups->base[b]) == 0;
}

static int open_file(const wy_cgroups *groups, int c, const wy_group *group, const char *file, int flags) {
    char path[80];
    snprintf(path, sizeof path, "g%u/%s", group->number, file);
    return openat(wy_group_dir(groups, c, group), path, flags | O_CLOEXEC);
}

static void close_files(wy_group *group) {
    int *descriptors[] = {&group->join_fd[0], &group->join_fd[1], &group->join_fd[2], &group->join_fd[3],  &group->join_fd[4], &group->join_fd[5],
                          &group->io_fd[0],   &group->io_fd[1],   &group->io_fd[2],   &group->io_fd[3],
                          &group->peak_fd,    &group->oom_fd,     &group->usage_fd,   &group->time_fd,     &group->freeze_fd, &group->low_join_fd};
    _Static_assert(WY_CONTROLLER_COUNT == 6 && WY_IO_FILES == 4, "one join descriptor each");
    for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++) {
        if (*descriptors[i] >= 0) {
            close(*descriptors[i]);
            *descriptors[i] = -1;
        }
    }
}

static void destroy(wy_cgroups *groups, wy_group *group) {
    char name[16];
    snprintf(name, sizeof name, "g%u", group->number);
    close_files(group);
    wy_group_leave_low(groups, group);
    for (int c = 0; c < WY_CONTROLLER_COUNT; c++) {
        int dir_fd = groups->unified[c] ? wy_group_dir(groups, c, group) : groups->base_fd[c];
        if (dir_fd >= 0 && unlinkat(dir_fd, name, AT_REMOVEDIR) != 0 && errno == EBUSY) {
            wy_cgroup_remove_tree(dir_fd, name, NULL);
        }
    }
    free(group);
}

static void open_counters(const wy_cgroups *groups, wy_group *group) {
    if (groups->base_fd[WY_CONTROLLER_MEMORY] >= 0) {
        const int c = WY_CONTROLLER_MEMORY;
        bool unified = groups->unified[c];
        group->peak_fd = open_file(groups, c, group, unified ? "memory.peak" : "memory.max_usage_in_bytes", O_RDWR);
        group->oom_fd = open_file(groups, c, group, unified ? "memory.events" : "memory.oom_control", O_RDONLY);
        group->usage_fd = open_file(groups, c, group, unified ? "memory.current" : "memory.usage_in_bytes", O_RDONLY);
    }
    if (groups->base_fd[WY_CONTROLLER_CPU] >= 0 && groups->unified[WY_CONTROLLER_CPU]) {
        group->time_fd = open_file(groups, WY_CONTROLLER_CPU, group, "cpu.stat", O_RDONLY);
    } else if (groups->base_fd[WY_CONTROLLER_CPUACCT] >= 0) {
        group->time_fd = open_file(groups, WY_CONTROLLER_CPUACCT, group, "cpuacct.usage", O_RDONLY);
    }
}

static wy_status create(wy_cgroups *groups, const wy_limits *limits, wy_group **out, wy_error *error) {
    wy_group *group = calloc(1, sizeof *group);
    if (group == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "cgroup", "not enough memory");
    }
    group->number = groups->next_number++;
    group->low = wy_low_from_birth(groups, limits->nice_class);
    for (int i = 0; i < WY_IO_FILES; i++) {
        group->io_fd[i] = -1;
    }
    for (int c = 0; c < WY_CONTROLLER_COUNT; c++) {
        group->join_fd[c] = -1;
    }
    group->peak_fd = group->oom_fd = group->usage_fd = group->time_fd = group->freeze_fd = group->low_join_fd = -1;
    for (int c = 0; c < WY_CONTROLLER_COUNT; c++) {
        char name[16];
        bool joined = groups->base_fd[c] < 0 || (c == WY_CONTROLLER_IO && !wy_io_any(&limits->io));
        for (int before = 0; before < c && !joined; before++) {
            joined = same_base(groups, c, before);
        }
        if (joined) {
            continue;
        }
        snprintf(name, sizeof name, "g%u", group->number);
        if (mkdirat(wy_group_dir(groups, c, group), name, 0755) != 0 && errno != EEXIST) {
            goto failed;
        }
        group->join_fd[c] = open_file(groups, c, group, "cgroup.procs", O_WRONLY);
        if (group->join_fd[c] < 0) {
            goto failed;
        }
    }
    open_counters(groups, group);
    *out = group;
    return WY_OK;
failed:
    wy_fail(error, WY_SYSTEM, errno, "cgroup", "a group cannot be made");
    destroy(groups, group);
    return WY_SYSTEM;
}

wy_status wy_group_acquire(wy_cgroups *groups, const wy_limits *limits, wy_group **out, wy_error *error) {
    *out = NULL;
    if (!wy_cgroups_any(groups)) {
        return WY_OK;
    }
    /* First one that needs no write at all, else any; with rates of I/O, one of its own. */
    wy_group **any = NULL;
    int looked = wy_io_any(&limits->io) ? POOL_LOOKS : 0;
    for (wy_group **link = &groups->free; *link != NULL && looked < POOL_LOOKS; looked++, link = &(*link)->next) {
        bool fits = wy_low_fits(groups, *link, limits->nice_class);
        bool same = fits && memcmp(&(*link)->limits, limits, sizeof *limits) == 0;
        if (same || (fits && any == NULL)) {
            any = link;
        }
        if (same) {
            break;
        }
    }
    wy_group *group = NULL;
    bool fresh = any == NULL;
    if (fresh) {
        wy_status status = create(groups, limits, &group, error);
        if (status != WY_OK) {
            return status;
        }
    } else {
        group = *any;
        *any = group->next;
        group->next = NULL;
    }
    wy_status status = write_limits(groups, group, limits, fresh, error);
    if (status != WY_OK) {
        destroy(groups, group);
        return status;
    }
    uint64_t peak;
    group->oom_before = 0;
    wy_group_read(group, &peak, &group->oom_before);
    *out = group;
    return WY_OK;
}

wy_status wy_group_attach(wy_group *group, pid_t pid, wy_error *error) {
    char text[16];
    int length = snprintf(text, sizeof text, "%d", (int)pid);
    for (int c = 0; c < WY_CONTROLLER_COUNT; c++) {
        /* ESRCH: it is dead already, and its end is on the way. */
        int join_fd = c == WY_CONTROLLER_CPU && group->low && group->low_join_fd >= 0 ? group->low_join_fd : group->join_fd[c];
        if (join_fd >= 0 && pwrite(join_fd, text, (size_t)length, 0) < 0 && errno != ESRCH) {
            return wy_fail(error, WY_SYSTEM, errno, "cgroup", "a process cannot be moved into its group");
        }
    }
    return WY_OK;
}

void wy_group_read(const wy_group *group, uint64_t *peak_bytes, uint64_t *oom_kills) {
    char text[512];
    *peak_bytes = 0;
    ssize_t length = group->peak_fd >= 0 ? pread(group->peak_fd, text, sizeof text - 1, 0) : -1;
    if (length > 0) {
        text[length] = 0;
        *peak_bytes = strtoull(text, NULL, 10);
    }
    uint64_t kills = 0;
    length = group->oom_fd >= 0 ? pread(group->oom_fd, text, sizeof text - 1, 0) : -1;
    if (length > 0) {
        text[length] = 0;
        const char *line = strstr(text, "\noom_kill ");
        kills = line != NULL ? strtoull(line + 10, NULL, 10) : 0;
    }
    *oom_kills = kills >= group->oom_before ? kills - group->oom_before : 0;
}

/* "usage_usec 123" as the first line of version 2's cpu.stat; nanoseconds alone in version 1's cpuacct.usage. */
static uint64_t read_time(const wy_group *group) {
    static const char key[] = "usage_usec ";
    char text[64];
    ssize_t length = group->time_fd >= 0 ? pread(group->time_fd, text, sizeof text - 1, 0) : -1;
    if (length <= 0) {
        return 0;
    }
    text[length] = 0;
    return strncmp(text, key, sizeof key - 1) == 0 ? strtoull(text + sizeof key - 1, NULL, 10) : strtoull(text, NULL, 10) / 1000;
}

void wy_group_usage(const wy_group *group, uint64_t *memory_bytes, uint64_t *cpu_microseconds) {
    char text[32];
    ssize_t length = group->usage_fd >= 0 ? pread(group->usage_fd, text, sizeof text - 1, 0) : -1;
    text[length > 0 ? length : 0] = 0;
    *memory_bytes = strtoull(text, NULL, 10);
    uint64_t now = read_time(group);
    *cpu_microseconds = now >= group->time_before ? now - group->time_before : 0;
}

void wy_group_thaw(wy_group *group) {
    if (group->frozen) {
        const char *text = group->freeze_unified ? "0" : "THAWED";
        group->frozen = pwrite(group->freeze_fd, text, strlen(text), 0) < 0;
    }
}

wy_status wy_group_freeze(wy_cgroups *groups, wy_group *group, bool freeze) {
    const int c = WY_CONTROLLER_FREEZER;
    if (!freeze) {
        wy_group_thaw(group);
        return group->frozen ? WY_SYSTEM : WY_OK;
    }
    if (groups->base_fd[c] < 0) {
        return WY_UNSUPPORTED;
    }
    if (group->freeze_fd < 0) {
        group->freeze_unified = groups->unified[c];
        group->freeze_fd = open_file(groups, c, group, group->freeze_unified ? "cgroup.freeze" : "freezer.state", O_WRONLY);
    }
    const char *text = group->freeze_unified ? "1" : "FROZEN";
    if (group->freeze_fd < 0 || pwrite(group->freeze_fd, text, strlen(text), 0) < 0) {
        return WY_SYSTEM;
    }
    group->frozen = true;
    return WY_OK;
}

unsigned wy_group_signal(const wy_cgroups *groups, const wy_group *group, int signal) {
    for (int c = 0; c < WY_CONTROLLER_COUNT; c++) {
        char name[16];
        snprintf(name, sizeof name, "g%u", group->number);
        int fd = groups->base_fd[c] >= 0 ? openat(wy_group_dir(groups, c, group), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (fd < 0) {
            continue;
        }
        unsigned reached = 0, before = 0;
        for (int pass = 0; pass < 8 && (pass == 0 || reached != before); pass++) { /* who forks meanwhile is in it as well */
            before = reached;
            reached = wy_cgroup_signal(fd, signal);
        }
        close(fd);
        return reached;
    }
    return 0;
}

void wy_group_release(wy_cgroups *groups, wy_group *group) {
    wy_group_thaw(group);
    if (group->frozen || wy_io_any(&group->limits.io)) {
        destroy(groups, group); /* the next one in it would be frozen at once, or pay for this one's I/O */
        return;
    }
    /* As new: the peak starts again. Version 1 resets it on any write; version 2 since Linux 6.12, per open file. */
    if (group->peak_fd >= 0 && pwrite(group->peak_fd, "0", 1, 0) < 0) {
        destroy(groups, group);
        return;
    }
    group->time_before = read_time(group); /* here, where nobody waits, not when it is taken */
    group->next = groups->free;
    groups->free = group;
}

void wy_group_drop_pool(wy_cgroups *groups) {
    while (groups->free != NULL) {
        wy_group *next = groups->free->next;
        close_files(groups->free);
        free(groups->free);
        groups->free = next;
    }
}
