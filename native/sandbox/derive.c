#include "sandbox/derive.h"
#include "sandbox/filter.h"
#include "sandbox/own_root.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wy_status refuse_more(wy_error *error, const char *what, const wy_profile *base, uint64_t most) {
    return wy_fail(error, WY_DENIED, 0, "profile", "%s: %s has %llu, and a profile that inherits it may only have less", what,
                   base->name, (unsigned long long)most);
}

static wy_status lower(uint64_t wish, uint64_t *value, const char *what, const wy_profile *base, wy_error *error) {
    if (wish > *value) {
        return refuse_more(error, what, base, *value);
    }
    *value = wish != 0 ? wish : *value;
    return WY_OK;
}

static wy_status lower_narrow(uint32_t wish, uint32_t *value, const char *what, const wy_profile *base, wy_error *error) {
    uint64_t wide = *value;
    wy_status status = lower(wish, &wide, what, base, error);
    *value = (uint32_t)wide;
    return status;
}

static wy_status lower_limits(const wy_derivation *wish, const wy_profile *base, wy_profile *out, wy_error *error) {
    wy_status status = lower(wish->memory_bytes, &out->memory_bytes, "memory", base, error);
    if (status == WY_OK) {
        status = lower(wish->tmpfs_bytes, &out->tmpfs_bytes, "tmpfs", base, error);
    }
    if (status == WY_OK && wish->tmpfs_bytes != 0) {
        out->disk_bytes = out->tmpfs_bytes; /* no task asks for more either */
    }
    if (status == WY_OK) {
        status = lower(wish->file_bytes, &out->file_bytes, "file_size", base, error);
    }
    if (status == WY_OK) {
        status = lower_narrow(wish->pids, &out->pids, "pids", base, error);
    }
    if (status == WY_OK) {
        status = lower_narrow(wish->open_files, &out->open_files, "open_files", base, error);
    }
    if (wish->no_files_written) {
        out->file_bytes = 0;
    }
    if (status != WY_OK || wish->network == WY_NETWORK_KEEP) {
        return status;
    }
    if (wish->network > base->network) {
        return wy_fail(error, WY_DENIED, 0, "profile", "network: %s has less, and a profile that inherits it cannot have more",
                       base->name);
    }
    if (wish->network != base->network) {
        out->network = wish->network;
        out->own_network = 1; /* the filter may know sockets: they meet an empty namespace */
    }
    if (out->network != WY_NETWORK_GRANTED) {
        out->destination_count = 0;
    }
    return WY_OK;
}

/* Absolute, in its shortest form. */
static int is_plain(const char *path) {
    if (path[0] != '/' || path[1] == '\0' || strlen(path) >= sizeof((wy_profile_path *)0)->path) {
        return 0;
    }
    for (const char *part = path; part != NULL; part = strchr(part + 1, '/')) {
        size_t length = strcspn(part + 1, "/");
        if (length == 0 || (length <= 2 && strspn(part + 1, ".") >= length)) {
            return 0;
        }
    }
    return 1;
}

static int is_below(const char *path, const char *allowed) {
    size_t length = strlen(allowed);
    return strncmp(path, allowed, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

/* What is below a path that is shown read-only is shown by it, so that no path here shows anything new. */
static wy_status keep_paths(const wy_derivation *wish, const wy_profile *base, wy_profile *out, wy_error *error) {
    if (wish->path_count == 0) {
        return WY_OK;
    }
    if (base->root[0] != '\0' || wish->path_count > WY_PROFILE_MAX_PATHS) {
        return wy_fail(error, WY_DENIED, 0, "profile", "paths: %s", base->root[0] != '\0' ? "its base has a root of its own"
                                                                                         : "too many");
    }
    memset(out->paths, 0, sizeof out->paths);
    out->path_count = 0;
    for (uint32_t i = 0; i < wish->path_count; i++) {
        const char *path = wish->paths[i];
        const wy_profile_path *found = NULL;
        for (uint32_t k = 0; is_plain(path) && k < base->path_count && found == NULL; k++) {
            found = is_below(path, base->paths[k].path) ? &base->paths[k] : NULL;
        }
        if (found == NULL) {
            return wy_fail(error, WY_DENIED, 0, "profile", "paths: %.80s is not among the paths of %s, nor below one", path,
                           base->name);
        }
        wy_profile_path *slot = &out->paths[out->path_count++];
        memcpy(slot->path, path, strlen(path) + 1);
        slot->optional = found->optional && strcmp(found->path, path) == 0;
    }
    return WY_OK;
}

wy_status wy_policy_lend(wy_policy *policy, const char *root, wy_error *error) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t name = strspn(root, allowed);
    wy_lent_root *slot = &policy->roots[policy->root_count];
    if (policy->root_count == WY_POLICY_MAX_ROOTS) {
        return wy_fail(error, WY_FULL, 0, "root", "over %u roots", WY_POLICY_MAX_ROOTS);
    }
    if (name == 0 || name >= sizeof slot->name || root[name] != '=' || strlen(root + name + 1) >= sizeof slot->path) {
        return wy_fail(error, WY_INVALID, 0, "root", "%.80s: NAME=PATH is allowed, PATH of under %zu bytes", root, sizeof slot->path);
    }
    (void)snprintf(slot->name, sizeof slot->name, "%.*s", (int)name, root);
    (void)snprintf(slot->path, sizeof slot->path, "%s", root + name + 1);
    policy->root_count++;
    return WY_OK;
}

static wy_status take_runtime(const wy_derivation *wish, const wy_policy *policy, wy_profile *out, wy_error *error) {
    out->runtime = wish->runtime;
    if (wish->runtime == WY_RUNTIME_NATIVE) {
        return WY_OK;
    }
    if (wish->root == NULL || wish->root[0] == '\0') {
        return wy_fail(error, WY_DENIED, 0, "profile", "isolation: an OCI runtime is for images with a root of their own");
    }
    if (out->network != WY_NETWORK_NONE) {
        return wy_fail(error, WY_DENIED, 0, "profile", "isolation: what an OCI runtime runs has no network; %.60s has", out->name);
    }
    return policy->overlays ? WY_OK : wy_fail(error, WY_UNSUPPORTED, 0, "profile", "isolation: this host mounts no overlay in a user namespace");
}

/* The host's directory comes from whoever started us; what is asked for is its name. The paths of the base stay: its zygote
 * needs its libraries, its workers do not see them. */
static wy_status take_root(const wy_derivation *wish, const wy_policy *policy, const wy_profile *base, wy_profile *out, wy_error *error) {
    char why[120];
    if (wish->root == NULL || wish->root[0] == '\0') {
        return WY_OK;
    }
    if (!base->files || base->root[0] != '\0' || wish->path_count > 0) {
        return wy_fail(error, WY_DENIED, 0, "profile", "root: %s", !base->files ? "its base has no files"
                                                                  : base->root[0] != '\0' ? "its base has a root of its own"
                                                                                          : "beside it no path is shown");
    }
    for (uint32_t i = 0; i < policy->root_count; i++) {
        const wy_lent_root *lent = &policy->roots[i];
        if (strcmp(lent->name, wish->root) != 0) {
            continue;
        }
        if (wy_own_root_check(lent->path, why, sizeof why) != 0) {
            return wy_fail(error, WY_DENIED, 0, "profile", "root: %s", why);
        }
        memcpy(out->root, lent->path, sizeof out->root);
        out->overlay = wish->overlay && policy->overlays;
        return WY_OK;
    }
    return wy_fail(error, WY_DENIED, 0, "profile", "root: no directory was lent as \"%.63s\" when this runtime was started; restart it", wish->root);
}

/* The base's program behind a list of refusals: whatever reaches it is judged as before. */
static wy_status deny_calls(const wy_derivation *wish, const wy_profile *base, wy_profile *out, wy_error *error) {
    size_t ahead = wish->denied_count == 0 ? 0 : 1 + 2 * (size_t)wish->denied_count, total = ahead + base->filter.len;
    if (total > WY_PROFILE_MAX_FILTER) {
        return wy_fail(error, WY_TOO_BIG, 0, "profile", "syscalls: too many are taken away");
    }
    struct sock_filter *code = calloc(total, sizeof *code);
    if (code == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "profile", "no memory");
    }
    out->filter = (struct sock_fprog){.len = (unsigned short)total, .filter = code};
    if (ahead > 0) {
        *code++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    }
    for (uint32_t i = 0; i < wish->denied_count; i++) {
        int number = wy_syscall_number(wish->denied[i]);
        if (number < 0 || number >= (int)WY_SYSCALL_NUMBERS) {
            return wy_fail(error, WY_INVALID, 0, "profile", "syscalls: %.40s is no system call here", wish->denied[i]);
        }
        /* What the base refuses stays the base's to refuse: a violation must not become a plain error. */
        if ((base->allowed[number / 64] >> (number % 64) & 1) == 0) {
            return wy_fail(error, WY_INVALID, 0, "profile", "syscalls: %.40s is not allowed by %s anyway", wish->denied[i],
                           base->name);
        }
        out->allowed[number / 64] &= ~(UINT64_C(1) << (number % 64));
        *code++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1);
        *code++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    }
    memcpy(code, base->filter.filter, base->filter.len * sizeof *code);
    return WY_OK;
}

wy_status wy_policy_derive(wy_policy *policy, const wy_derivation *wish, wy_error *error) {
    const wy_profile *base = wy_policy_find(policy, wish->base);
    if (base == NULL) {
        return wy_fail(error, WY_DENIED, 0, "profile", "the policy has no profile \"%.63s\" to inherit", wish->base);
    }
    if (wy_policy_find(policy, wish->name) != NULL) {
        return wy_fail(error, WY_DENIED, 0, "profile", "the name is in use; a profile is not replaced while the spawner runs");
    }
    if (policy->profile_count == sizeof policy->profiles / sizeof policy->profiles[0]) {
        return wy_fail(error, WY_FULL, 0, "profile", "all places for profiles are taken");
    }
    wy_profile *out = &policy->profiles[policy->profile_count];
    *out = *base;
    out->filter = (struct sock_fprog){0};
    memcpy(out->name, wish->name, strlen(wish->name) + 1);
    wy_status status = lower_limits(wish, base, out, error);
    if (status == WY_OK) {
        status = keep_paths(wish, base, out, error);
    }
    if (status == WY_OK) {
        status = take_root(wish, policy, base, out, error);
    }
    if (status == WY_OK) {
        status = take_runtime(wish, policy, out, error);
    }
    if (status == WY_OK) {
        status = deny_calls(wish, base, out, error);
    }
    if (status != WY_OK) {
        free(out->filter.filter);
        memset(out, 0, sizeof *out);
        return status;
    }
    policy->profile_count++;
    return WY_OK;
}
