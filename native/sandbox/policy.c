#include "sandbox/filter.h"
#include "sandbox/network.h"
#include "sandbox/own_root.h"
#include "sandbox/policy_text.h"
#include "sandbox/profile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PROFILES WY_POLICY_MAX_PROFILES

/* A key of a file and where its number goes; 32-bit fields are stored as such. */
typedef struct number_key {
    const char *key;
    uint64_t minimum, maximum;
    uint64_t *wide;
    uint32_t *narrow;
} number_key;

/* Returns 1 when the key is one of `keys` (then *status says how it went), else 0. */
static int take_number(const wy_text *text, const number_key *keys, size_t count, const char *key, const char *value,
                       wy_status *status, wy_error *error) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i].key, key) != 0) {
            continue;
        }
        uint64_t number = 0;
        if (value == NULL || wy_text_number(value, keys[i].minimum, keys[i].maximum, &number) != 0) {
            *status = wy_text_fail(text, error, "%s: a number from %llu to %llu is allowed", key,
                                   (unsigned long long)keys[i].minimum, (unsigned long long)keys[i].maximum);
        } else if (keys[i].wide != NULL) {
            *keys[i].wide = number;
        } else {
            *keys[i].narrow = (uint32_t)number;
        }
        return 1;
    }
    return 0;
}

/* Relative, of [A-Za-z0-9._-] parts, none of them "..": it becomes part of a path below the spawner's own group. */
static int is_group_name(const char *text) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/";
    size_t length = strlen(text);
    return length > 0 && length < sizeof((wy_policy *)0)->cgroup_parent && strspn(text, allowed) == length &&
           text[0] != '/' && text[length - 1] != '/' && strstr(text, "..") == NULL && strstr(text, "//") == NULL;
}

static wy_status read_conf(int directory, wy_policy *policy, wy_error *error) {
    const number_key keys[] = {
        {"uid_first", 1, 4294967000u, NULL, &policy->uid_first},
        {"uid_count", 1, 16777216, NULL, &policy->uid_count},
        {"max_workers", 1, 65536, NULL, &policy->max_workers},
        {"max_images", 1, 4096, NULL, &policy->max_images},
        {"host_network", 0, 1, NULL, &policy->host_network},
    };
    wy_text text;
    wy_status status = wy_text_open(directory, "policy.conf", &text, error);
    if (status != WY_OK) {
        return status;
    }
    char *line = NULL;
    while (status == WY_OK && (line = wy_text_next(&text)) != NULL) {
        char *key = wy_text_word(&line), *value = wy_text_word(&line);
        if (take_number(&text, keys, sizeof keys / sizeof keys[0], key, value, &status, error)) {
            continue;
        }
        if (strcmp(key, "cgroup_parent") != 0) {
            status = wy_text_fail(&text, error,
                                  "%.40s: unknown; allowed: uid_first, uid_count, max_workers, max_images, "
                                  "cgroup_parent, host_network",
                                  key);
        } else if (value == NULL || !is_group_name(value)) {
            status = wy_text_fail(&text, error, "cgroup_parent: a relative path of letters, digits, '.', '_', '-'");
        } else {
            (void)snprintf(policy->cgroup_parent, sizeof policy->cgroup_parent, "%s", value);
        }
    }
    if (status == WY_OK && (policy->uid_first == 0 || policy->uid_count == 0 || policy->max_workers == 0 ||
                            policy->max_images == 0 || policy->cgroup_parent[0] == '\0')) {
        status =
            wy_text_fail(&text, error, "uid_first, uid_count, max_workers, max_images and cgroup_parent must be set");
    }
    if (status == WY_OK && (uint64_t)policy->uid_first + policy->uid_count > UINT64_C(0xFFFFFFFE)) {
        status = wy_text_fail(&text, error, "uid_first + uid_count must stay below 4294967294");
    }
    wy_text_close(&text);
    return status;
}

static int has_dot_dot(const char *path) {
    for (const char *at = strstr(path, ".."); at != NULL; at = strstr(at + 1, "..")) {
        if ((at == path || at[-1] == '/') && (at[2] == '\0' || at[2] == '/')) {
            return 1;
        }
    }
    return 0;
}

static wy_status add_path(const wy_text *text, wy_profile *profile, const char *path, int optional, wy_error *error) {
    if (profile->path_count == WY_PROFILE_MAX_PATHS) {
        return wy_text_fail(text, error, "over %u paths", WY_PROFILE_MAX_PATHS);
    }
    wy_profile_path *slot = &profile->paths[profile->path_count];
    if (path == NULL || path[0] != '/' || path[1] == '\0' || strlen(path) >= sizeof slot->path || has_dot_dot(path)) {
        return wy_text_fail(text, error, "path: an absolute path below '/' without '..' of under %zu bytes is allowed",
                            sizeof slot->path);
    }
    (void)snprintf(slot->path, sizeof slot->path, "%s", path);
    slot->optional = optional;
    profile->path_count++;
    return WY_OK;
}

/* What the zygote itself needs of the host before it enters a root of the profile's own. */
static wy_status add_zygote_paths(const wy_text *text, wy_profile *profile, wy_error *error) {
    static const char *const optional[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache",
                                           "/etc/alternatives"};
    wy_status status = add_path(text, profile, "/usr", 0, error);
    for (size_t i = 0; status == WY_OK && i < sizeof optional / sizeof optional[0]; i++) {
        status = add_path(text, profile, optional[i], 1, error);
    }
    return status;
}

static wy_status set_root(const wy_text *text, wy_profile *profile, const char *path, wy_error *error) {
    char why[120];
    if (profile->root[0] != '\0') {
        return wy_text_fail(text, error, "root: may stand once");
    }
    if (path == NULL || wy_own_root_check(path, why, sizeof why) != 0) {
        return wy_text_fail(text, error, "root: %s", path == NULL ? "an absolute path is allowed" : why);
    }
    (void)snprintf(profile->root, sizeof profile->root, "%s", path);
    return WY_OK;
}

/* Of the whole file, once its last line is read. */
static wy_status complete_profile(const wy_text *text, wy_profile *profile, wy_error *error) {
    if (profile->root[0] != '\0') {
        if (profile->path_count > 0 || !profile->files) {
            return wy_text_fail(text, error, "root takes the place of the path lines, and needs: files 1");
        }
        wy_status status = add_zygote_paths(text, profile, error);
        if (status != WY_OK) {
            return status;
        }
    }
    if (profile->pids == 0 || profile->open_files == 0 || profile->memory_bytes == 0 || profile->tmpfs_bytes == 0 ||
        profile->path_count == 0 || profile->filter.filter == NULL) {
        return wy_text_fail(text, error, "pids, open_files, memory, tmpfs, a path or root, and syscalls must be set");
    }
    if (profile->network != WY_NETWORK_NONE && !profile->files) {
        return wy_text_fail(text, error, "network: a profile with sockets needs: files 1");
    }
    if (profile->destination_count > 0 && profile->network != WY_NETWORK_GRANTED) {
        return wy_text_fail(text, error, "destination: belongs to: network granted");
    }
    profile->disk_bytes = profile->disk_bytes > profile->tmpfs_bytes ? profile->disk_bytes : profile->tmpfs_bytes;
    profile->cpu_weight = profile->cpu_weight != 0 ? profile->cpu_weight : WY_MOST_CPU_WEIGHT;
    return WY_OK;
}

/* Which calls a derived profile may take away: those that this one lets through. */
static void note_allowed(const wy_filter_rules *rules, uint64_t *allowed) {
    for (uint32_t i = 0; i < rules->count; i++) {
        const wy_filter_rule *rule = &rules->rules[i];
        int passes = rule->action == SECCOMP_RET_ALLOW || (rule->condition.present && rule->otherwise == SECCOMP_RET_ALLOW);
        if (passes && rule->number < WY_SYSCALL_NUMBERS) {
            allowed[rule->number / 64] |= UINT64_C(1) << (rule->number % 64);
        }
    }
}

/* `profile`: NULL, or who keeps the rules. */
static wy_status compile_rules(int directory, const char *name, struct sock_fprog *out, wy_profile *profile, wy_error *error) {
    wy_filter_rules *rules = malloc(sizeof *rules);
    if (rules == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "policy", "no memory");
    }
    wy_status status = wy_rules_read(directory, name, rules, error);
    if (status == WY_OK) {
        status = wy_filter_compile(rules, out, error);
    }
    if (status == WY_OK && profile != NULL) {
        note_allowed(rules, profile->allowed);
        profile->rules = rules;
        return WY_OK;
    }
    free(rules);
    return status;
}

static wy_status read_profile_lines(int directory, wy_text *text, wy_profile *profile, wy_error *error) {
    uint32_t files = 0, own_network = 0;
    const number_key keys[] = {
        {"files", 0, 1, NULL, &files},
        {"own_network", 0, 1, NULL, &own_network},
        {"pids", 1, 4096, NULL, &profile->pids},
        {"open_files", 8, 65536, NULL, &profile->open_files},
        {"memory", 1u << 20, UINT64_C(1) << 46, &profile->memory_bytes, NULL},
        {"tmpfs", 4096, UINT64_C(1) << 46, &profile->tmpfs_bytes, NULL},
        {"file_size", 0, UINT64_C(1) << 46, &profile->file_bytes, NULL},
        {"disk", 4096, UINT64_C(1) << 46, &profile->disk_bytes, NULL},
        {"cpu_milli", WY_LEAST_CPU_MILLI, WY_MOST_CPU_MILLI, NULL, &profile->cpu_milli},
        {"cpu_weight", 1, WY_MOST_CPU_WEIGHT, NULL, &profile->cpu_weight},
        {"io_read", WY_LEAST_IO_BYTES, WY_MOST_IO_BYTES, &profile->io.read_bytes, NULL},
        {"io_write", WY_LEAST_IO_BYTES, WY_MOST_IO_BYTES, &profile->io.write_bytes, NULL},
        {"io_read_ops", WY_LEAST_IO_OPS, WY_MOST_IO_OPS, NULL, &profile->io.read_ops},
        {"io_write_ops", WY_LEAST_IO_OPS, WY_MOST_IO_OPS, NULL, &profile->io.write_ops},
    };
    wy_status status = WY_OK;
    char *line = NULL;
    while (status == WY_OK && (line = wy_text_next(text)) != NULL) {
        char *key = wy_text_word(&line), *value = wy_text_word(&line);
        if (take_number(text, keys, sizeof keys / sizeof keys[0], key, value, &status, error)) {
            continue;
        }
        if (strcmp(key, "path") == 0 || strcmp(key, "path?") == 0) {
            status = add_path(text, profile, value, key[4] == '?', error);
        } else if (strcmp(key, "network") == 0) {
            status = wy_network_read_level(text, profile, value, error);
        } else if (strcmp(key, "destination") == 0) {
            status = wy_network_add_destination(text, profile, value, error);
        } else if (strcmp(key, "root") == 0) {
            status = set_root(text, profile, value, error);
        } else if (strcmp(key, "syscalls") == 0 && value != NULL && profile->filter.filter == NULL) {
            status = compile_rules(directory, value, &profile->filter, profile, error);
        } else {
            status = wy_text_fail(text, error,
                                  "%.40s: unknown or twice; allowed: files, own_network, pids, open_files, "
                                  "memory, tmpfs, disk, cpu_milli, cpu_weight, io_read, io_write, io_read_ops, io_write_ops, "
                                  "file_size, path, path?, root, network, destination, syscalls",
                                  key);
        }
    }
    profile->files = (int)files;
    profile->own_network = (int)own_network || wy_network_is_own(profile->network);
    return status == WY_OK ? complete_profile(text, profile, error) : status;
}

static wy_status read_profile(int directory, const char *file, size_t stem, wy_profile *profile, wy_error *error) {
    if (stem == 0 || stem >= sizeof profile->name) {
        return wy_fail(error, WY_INVALID, 0, "policy", "%.80s: a profile's name has 1 to 63 bytes", file);
    }
    (void)snprintf(profile->name, sizeof profile->name, "%.*s", (int)stem, file);
    wy_text text;
    wy_status status = wy_text_open(directory, file, &text, error);
    if (status == WY_OK) {
        status = read_profile_lines(directory, &text, profile, error);
        wy_text_close(&text);
    }
    return status;
}

static wy_status read_profiles(int directory, wy_policy *policy, wy_error *error) {
    static const char suffix[] = ".profile";
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = copy < 0 ? NULL : fdopendir(copy);
    if (listing == NULL) {
        if (copy >= 0) {
            (void)close(copy);
        }
        return wy_fail(error, WY_SYSTEM, errno, "policy", "cannot list the policy directory: %s", strerror(errno));
    }
    wy_status status = WY_OK;
    struct dirent *entry = NULL;
    while (status == WY_OK && (entry = readdir(listing)) != NULL) {
        size_t length = strlen(entry->d_name);
        if (length < sizeof suffix - 1 || strcmp(entry->d_name + length - (sizeof suffix - 1), suffix) != 0) {
            continue;
        }
        if (policy->profile_count == MAX_PROFILES) {
            status = wy_fail(error, WY_TOO_BIG, 0, "policy", "over %u profiles", MAX_PROFILES);
            break;
        }
        policy->own_count++;
        wy_profile *profile = &policy->profiles[policy->profile_count++]; /* counted first: freed on failure too */
        status = read_profile(directory, entry->d_name, length - (sizeof suffix - 1), profile, error);
        if (status == WY_OK && profile->network != WY_NETWORK_NONE && policy->network_filter.filter == NULL) {
            status = compile_rules(directory, "zygote-network.syscalls", &policy->network_filter, NULL, error);
        }
        profile->zygote_filter = profile->network == WY_NETWORK_NONE ? policy->zygote_filter : policy->network_filter;
    }
    (void)closedir(listing);
    if (status == WY_OK && policy->profile_count == 0) {
        status = wy_fail(error, WY_INVALID, 0, "policy", "no *.profile in the policy directory");
    }
    return status;
}

wy_status wy_policy_load(const char *directory, wy_policy *out, wy_error *error) {
    memset(out, 0, sizeof *out);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return wy_fail(error, WY_SYSTEM, errno, "policy", "%.150s: %s", directory, strerror(errno));
    }
    wy_status status = wy_text_check_owner(fd, directory, error);
    if (status == WY_OK) {
        status = read_conf(fd, out, error);
    }
    if (status == WY_OK) {
        status = compile_rules(fd, "zygote.syscalls", &out->zygote_filter, NULL, error);
    }
    if (status == WY_OK) {
        status = read_profiles(fd, out, error);
    }
    (void)close(fd);
    if (status != WY_OK) {
        wy_policy_free(out);
    }
    return status;
}

void wy_policy_free(wy_policy *policy) {
    for (uint32_t i = 0; i < policy->profile_count; i++) {
        free(policy->profiles[i].filter.filter);
        if (i < policy->own_count) {
            free((void *)(uintptr_t)policy->profiles[i].rules);
        }
    }
    free(policy->zygote_filter.filter);
    free(policy->network_filter.filter);
    memset(policy, 0, sizeof *policy);
}

const wy_profile *wy_policy_find(const wy_policy *policy, const char *name) {
    for (uint32_t i = 0; i < policy->profile_count; i++) {
        if (strcmp(policy->profiles[i].name, name) == 0) {
            return &policy->profiles[i];
        }
    }
    return NULL;
}
