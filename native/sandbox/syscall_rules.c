/* The *.syscalls files, one rule a line:
 *
 *   default ACTION
 *   include FILE                    (its rules may be overridden by the including file)
 *   ACTION NAME[?] [if argN[&MASK]=V[|V...] | if argN[&MASK]!=V[|V...]] [else ACTION]  REASON
 *
 * ACTION: allow, notify (told to the supervisor, which kills), refuse (as if the kernel had no such call, but yields to
 * the notify or errno of a filter laid over it), or an errno: EPERM, ENOSYS, EACCES, EAFNOSUPPORT, EINVAL.
 * NAME? : not every architecture or kernel has this call. A rule that allows must give its reason. */
#include "sandbox/filter.h"
#include "sandbox/policy_text.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>

#define MAX_INCLUDE_DEPTH 4u

static const struct {
    const char *word;
    uint32_t action;
} actions[] = {
    {"allow", SECCOMP_RET_ALLOW},
    {"notify", SECCOMP_RET_USER_NOTIF},
    /* Without a tracer the call fails with ENOSYS; the action ranks below notify and errno, so that the zygote's
     * filter, which its workers inherit, never hides a violation from theirs. Nothing under it can become a tracer. */
    {"refuse", SECCOMP_RET_TRACE},
    {"EPERM", SECCOMP_RET_ERRNO | EPERM},
    {"ENOSYS", SECCOMP_RET_ERRNO | ENOSYS},
    {"EACCES", SECCOMP_RET_ERRNO | EACCES},
    {"EINVAL", SECCOMP_RET_ERRNO | EINVAL},
    {"EAFNOSUPPORT", SECCOMP_RET_ERRNO | EAFNOSUPPORT},
};

typedef struct reader {
    wy_filter_rules *rules;
    int directory;
    uint32_t files; /* opened so far: identifies the file that a rule came from */
} reader;

static int parse_action(const char *word, uint32_t *out) {
    for (size_t i = 0; word != NULL && i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].word, word) == 0) {
            *out = actions[i].action;
            return 0;
        }
    }
    return -1;
}

/* argN[&MASK]=V|V or != */
static int parse_condition(char *word, wy_filter_condition *out) {
    uint64_t number = 0;
    if (word == NULL || strncmp(word, "arg", 3) != 0 || word[3] < '0' || word[3] > '5') {
        return -1;
    }
    out->present = 1;
    out->argument = (uint8_t)(word[3] - '0');
    out->mask = UINT32_MAX;
    char *equals = strchr(word, '=');
    if (equals == NULL) {
        return -1;
    }
    char *values = equals + 1;
    if (equals[-1] == '!') {
        out->negated = 1;
        equals--;
    }
    *equals = '\0';
    if (word[4] == '&') {
        if (wy_text_number(word + 5, 1, UINT32_MAX, &number) != 0) {
            return -1;
        }
        out->mask = (uint32_t)number;
    } else if (word[4] != '\0') {
        return -1;
    }
    while (values != NULL) {
        char *bar = strchr(values, '|');
        if (bar != NULL) {
            *bar++ = '\0';
        }
        if (out->value_count == WY_FILTER_MAX_VALUES || wy_text_number(values, 0, UINT32_MAX, &number) != 0) {
            return -1;
        }
        out->values[out->value_count++] = (uint32_t)number;
        values = bar;
    }
    return 0;
}

static wy_status add_rule(const wy_text *text, wy_filter_rules *rules, const wy_filter_rule *rule, const char *name,
                          wy_error *error) {
    for (uint32_t i = 0; i < rules->count; i++) {
        if (rules->rules[i].number == rule->number) {
            if (rules->rules[i].file == rule->file) {
                return wy_text_fail(text, error, "%.40s: a second rule in the same file", name);
            }
            rules->rules[i] = *rule;
            return WY_OK;
        }
    }
    if (rules->count == WY_FILTER_MAX_RULES) {
        return wy_text_fail(text, error, "over %u rules", WY_FILTER_MAX_RULES);
    }
    rules->rules[rules->count++] = *rule;
    return WY_OK;
}

static wy_status parse_rule(const wy_text *text, wy_filter_rules *rules, uint32_t file, const char *first, char *rest,
                            wy_error *error) {
    wy_filter_rule rule = {.file = file, .otherwise = rules->default_action};
    if (parse_action(first, &rule.action) != 0) {
        return wy_text_fail(text, error,
                            "%.40s: not an action; allowed: allow, notify, refuse, default, include, EPERM, "
                            "ENOSYS, EACCES, EINVAL, EAFNOSUPPORT",
                            first);
    }
    char *name = wy_text_word(&rest);
    if (name == NULL) {
        return wy_text_fail(text, error, "the name of a system call must follow");
    }
    size_t length = strlen(name);
    int optional = name[length - 1] == '?';
    name[length - (size_t)optional] = '\0';
    char *word = wy_text_word(&rest);
    if (word != NULL && strcmp(word, "if") == 0) {
        if (parse_condition(wy_text_word(&rest), &rule.condition) != 0) {
            return wy_text_fail(text, error, "%.40s: a condition reads: if argN[&MASK]=V[|V...], at most %u values",
                                name, WY_FILTER_MAX_VALUES);
        }
        word = wy_text_word(&rest);
        if (word != NULL && strcmp(word, "else") == 0) {
            if (parse_action(wy_text_word(&rest), &rule.otherwise) != 0) {
                return wy_text_fail(text, error, "%.40s: an action must follow 'else'", name);
            }
            word = wy_text_word(&rest);
        }
    }
    if (word == NULL && rule.action == SECCOMP_RET_ALLOW) {
        return wy_text_fail(text, error, "%.40s: an allowed call needs its reason", name);
    }
    int number = wy_syscall_number(name);
    if (number < 0) {
        return optional ? WY_OK
                        : wy_text_fail(text, error,
                                       "%.40s: no such system call here ('?' after the name makes it "
                                       "optional)",
                                       name);
    }
    rule.number = (uint32_t)number;
    return add_rule(text, rules, &rule, name, error);
}

static wy_status read_file(reader *r, const char *name, uint32_t depth, wy_error *error);

static wy_status read_line(reader *r, const wy_text *text, uint32_t file, uint32_t depth, char *line, wy_error *error) {
    char *rest = line, *first = wy_text_word(&rest);
    if (strcmp(first, "include") == 0) {
        char *name = wy_text_word(&rest);
        if (name == NULL || depth == MAX_INCLUDE_DEPTH) {
            return wy_text_fail(text, error, "include needs a file name, at most %u deep", MAX_INCLUDE_DEPTH);
        }
        return read_file(r, name, depth + 1, error);
    }
    if (strcmp(first, "default") == 0) {
        uint32_t action = 0;
        if (parse_action(wy_text_word(&rest), &action) != 0 || action == SECCOMP_RET_ALLOW) {
            return wy_text_fail(text, error, "default needs an action other than allow");
        }
        r->rules->default_action = action;
        return WY_OK;
    }
    return parse_rule(text, r->rules, file, first, rest, error);
}

static wy_status read_file(reader *r, const char *name, uint32_t depth, wy_error *error) {
    wy_text text;
    wy_status status = wy_text_open(r->directory, name, &text, error);
    if (status != WY_OK) {
        return status;
    }
    uint32_t file = ++r->files;
    char *line = NULL;
    while (status == WY_OK && (line = wy_text_next(&text)) != NULL) {
        status = read_line(r, &text, file, depth, line, error);
    }
    wy_text_close(&text);
    return status;
}

wy_status wy_rules_read(int directory, const char *name, wy_filter_rules *out, wy_error *error) {
    memset(out, 0, sizeof *out);
    out->default_action = SECCOMP_RET_ERRNO | EPERM;
    reader r = {.rules = out, .directory = directory};
    return read_file(&r, name, 0, error);
}
