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

/* Of a rule with a condition only the part that allows: what is left out is not allowed. The kernel's library takes no "none of these":
 * below, between and above them says the same. */
static void put_condition(FILE *out, const char *name, const wy_filter_condition *condition) {
    static const char head[] = ",{\"names\":[\"%s\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":%u,\"value\":%u,\"valueTwo\":%u,\"op\":\"%s\"}]}";
    unsigned index = condition->argument;
    if (!condition->negated) {
        for (uint8_t i = 0; i < condition->value_count; i++) {
            (void)fprintf(out, head, name, index, condition->mask, condition->values[i], "SCMP_CMP_MASKED_EQ");
        }
        return;
    }
    uint32_t least = UINT32_MAX, most = 0;
    for (uint8_t i = 0; i < condition->value_count; i++) {
        least = condition->values[i] < least ? condition->values[i] : least;
        most = condition->values[i] > most ? condition->values[i] : most;
    }
    if (condition->mask != UINT32_MAX || most - least > 64) {
        return; /* none of ours: it stays forbidden */
    }
    (void)fprintf(out, head, name, index, least, 0u, "SCMP_CMP_LT");
    for (uint32_t value = least + 1; value < most; value++) {
        int excepted = 0;
        for (uint8_t i = 0; i < condition->value_count; i++) {
            excepted |= condition->values[i] == value;
        }
        if (!excepted) {
            (void)fprintf(out, head, name, index, value, 0u, "SCMP_CMP_EQ");
        }
    }
    (void)fprintf(out, head, name, index, most, 0u, "SCMP_CMP_GT");
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
