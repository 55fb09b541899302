/* config.json of the OCI runtime specification, 1.0. */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "oci/runtime.h"
#include "sandbox/filter.h"

#if defined(__x86_64__)
#define ARCHITECTURE "SCMP_ARCH_X86_64"
#elif defined(__aarch64__)
#define ARCHITECTURE "SCMP_ARCH_AARCH64"
#endif

static void put_text(FILE *out, const char *text) {
    (void)fputc('"', out);
    for (const unsigned char *at = (const unsigned char *)text; *at != 0; at++) {
        if (*at == '"' || *at == '\\') {
            (void)fprintf(out, "\\%c", *at);
        } else if (*at < 0x20) {
            (void)fprintf(out, "\\u%04x", *at);
        } else {
            (void)fputc(*at, out);
        }
    }
    (void)fputc('"', out);
}

static void put_texts(FILE *out, const char *key, char *const *texts) {
    (void)fprintf(out, "\"%s\":[", key);
    for (size_t i = 0; texts[i] != NULL; i++) {
        (void)fputs(i > 0 ? "," : "", out);
        put_text(out, texts[i]);
    }
    (void)fputs("],", out);
}

static void put_process(FILE *out, const wy_oci_task *task) {
    const wy_profile *profile = task->profile;
    const struct {
        const char *name;
        uint64_t value;
    } limits[] = {{"RLIMIT_NOFILE", profile->open_files}, {"RLIMIT_FSIZE", profile->file_bytes}, {"RLIMIT_CORE", 0},
                  {"RLIMIT_MEMLOCK", 0}, {"RLIMIT_MSGQUEUE", 0}};
    (void)fprintf(out, "\"process\":{\"terminal\":false,\"noNewPrivileges\":true,\"user\":{\"uid\":%u,\"gid\":%u},", (unsigned)task->uid, (unsigned)task->uid);
    put_texts(out, "args", task->arguments->argv);
    put_texts(out, "env", task->arguments->environment);
    (void)fputs("\"cwd\":", out);
    put_text(out, task->arguments->cwd);
    (void)fputs(",\"capabilities\":{\"bounding\":[],\"effective\":[],\"permitted\":[],\"inheritable\":[],\"ambient\":[]},\"rlimits\":[", out);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        (void)fprintf(out, "%s{\"type\":\"%s\",\"soft\":%llu,\"hard\":%llu}", i > 0 ? "," : "", limits[i].name, (unsigned long long)limits[i].value,
                      (unsigned long long)limits[i].value);
    }
    (void)fputs("]},", out);
}

static void put_bind(FILE *out, const char *from, const char *to) {
    (void)fputs(",{\"type\":\"bind\",\"options\":[\"rbind\",\"rw\",\"nosuid\",\"nodev\"],\"source\":", out);
    put_text(out, from);
    (void)fprintf(out, ",\"destination\":\"%s\"}", to);
}

static void put_root(FILE *out, const wy_oci_task *task) {
    (void)fputs("\"root\":{\"path\":", out);
    put_text(out, task->root);
    (void)fprintf(out, ",\"readonly\":%s},\"hostname\":\"wayang\",\"mounts\":["
                       "{\"type\":\"proc\",\"source\":\"proc\",\"destination\":\"/proc\",\"options\":[\"nosuid\",\"nodev\",\"noexec\"]},"
                       "{\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"destination\":\"/dev\",\"options\":[\"nosuid\",\"noexec\",\"mode=755\",\"size=64k\"]}",
                  task->profile->overlay ? "false" : "true");
    put_bind(out, task->tmp, "/tmp");
    put_bind(out, task->tmp, "/dev/shm");
    (void)fputs("],", out);
}

typedef struct condition_place {
    FILE *out;
    const char *name;
    const wy_filter_condition *condition;
} condition_place;

/* The low 32 bits, as in our own filter: the kernel ignores the others of these arguments, and so must the comparison. */
static void put_allowed(const condition_place *at, uint32_t mask, uint32_t value) {
    (void)fprintf(at->out, ",{\"names\":[\"%s\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":%u,\"value\":%u,\"valueTwo\":%u,\"op\":\"SCMP_CMP_MASKED_EQ\"}]}",
                  at->name, at->condition->argument, mask, value);
}

/* "None of these values" is nothing that an OCI filter can say of low bits alone. All numbers that begin with bits with which none of the values
 * begins are: a few dozen beginnings of `bits` bits each. */
static void put_all_but(const condition_place *at, uint32_t beginning, unsigned bits) {
    uint32_t mask = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
    int begins = 0;
    for (uint8_t i = 0; i < at->condition->value_count; i++) {
        begins |= (at->condition->values[i] & mask) == beginning;
    }
    if (!begins) {
        put_allowed(at, mask, beginning);
    } else if (bits < 32) {
        put_all_but(at, beginning, bits + 1);
        put_all_but(at, beginning | UINT32_C(1) << (31 - bits), bits + 1);
    }
}

/* Of a rule with a condition only the part that allows: what is left out is not allowed. */
static void put_condition(FILE *out, const char *name, const wy_filter_condition *condition) {
    const condition_place at = {out, name, condition};
    for (uint8_t i = 0; i < condition->value_count && !condition->negated; i++) {
        put_allowed(&at, condition->mask, condition->values[i]);
    }
    if (condition->negated && condition->mask == UINT32_MAX) {
        put_all_but(&at, 0, 0);
    }
}

/* What a profile lists as dangerous kills the task (SIGSYS): nobody listens to a notification there. */
static const char *action_of(const wy_profile *profile, const wy_filter_rule *rule, unsigned *error_number) {
    int taken = rule->number < WY_SYSCALL_NUMBERS && (profile->allowed[rule->number / 64] >> (rule->number % 64) & 1) == 0;
    *error_number = rule->action == SECCOMP_RET_ALLOW ? EPERM : (rule->action & SECCOMP_RET_DATA);
    if (rule->action == SECCOMP_RET_ALLOW && !taken) {
        return "SCMP_ACT_ALLOW";
    }
    return rule->action == SECCOMP_RET_USER_NOTIF ? "SCMP_ACT_KILL_PROCESS" : "SCMP_ACT_ERRNO";
}

static void put_seccomp(FILE *out, const wy_profile *profile) {
    const wy_filter_rules *rules = profile->rules;
    unsigned fallback = rules->default_action & SECCOMP_RET_DATA;
    (void)fprintf(out, "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":%u,\"architectures\":[\"" ARCHITECTURE "\"],\"syscalls\":["
                       "{\"names\":[\"exit_group\"],\"action\":\"SCMP_ACT_ALLOW\"}",
                  fallback);
    for (uint32_t i = 0; i < rules->count; i++) {
        const wy_filter_rule *rule = &rules->rules[i];
        unsigned error_number = 0;
        const char *name = wy_syscall_name((int)rule->number), *action = action_of(profile, rule, &error_number);
        int allows = strcmp(action, "SCMP_ACT_ALLOW") == 0, is_error = strcmp(action, "SCMP_ACT_ERRNO") == 0;
        if (name == NULL || (is_error && error_number == fallback) || strcmp(name, "exit_group") == 0) {
            continue;
        }
        if (rule->condition.present && allows) {
            put_condition(out, name, &rule->condition);
        } else if (!rule->condition.present && is_error) {
            (void)fprintf(out, ",{\"names\":[\"%s\"],\"action\":\"%s\",\"errnoRet\":%u}", name, action, error_number);
        } else if (!rule->condition.present) {
            (void)fprintf(out, ",{\"names\":[\"%s\"],\"action\":\"%s\"}", name, action);
        }
    }
    (void)fputs("]}", out);
}

wy_status wy_oci_config(const wy_oci_task *task, FILE *out, wy_error *error) {
    if (task->profile->rules == NULL || task->profile->network != WY_NETWORK_NONE) {
        return wy_fail(error, WY_INVALID, 0, "oci", "profile %s has no rules, or a network", task->profile->name);
    }
    (void)fputs("{\"ociVersion\":\"1.0.2\",", out);
    put_process(out, task);
    put_root(out, task);
    (void)fputs("\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"network\"},{\"type\":\"cgroup\"}],"
                "\"maskedPaths\":[\"/proc/acpi\",\"/proc/kcore\",\"/proc/keys\",\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/sched_debug\",\"/proc/scsi\"],"
                "\"readonlyPaths\":[\"/proc/asound\",\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"],",
                out);
    put_seccomp(out, task->profile);
    (void)fputs("}}\n", out);
    return ferror(out) == 0 ? WY_OK : wy_fail(error, WY_SYSTEM, errno, "oci", "config.json cannot be written");
}
