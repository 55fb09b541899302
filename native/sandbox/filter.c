#include "sandbox/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "the sandbox knows x86_64 and aarch64"
#endif
#define X32_BIT 0x40000000u
#define MAX_RANGES (2u * WY_FILTER_MAX_RULES + 2u)
#define CODE_LIMIT WY_PROFILE_MAX_FILTER

/* Numbers [first, next range's first) share one action, or one conditional rule. */
typedef struct range {
    uint32_t first;
    uint32_t action;
    const wy_filter_rule *rule; /* conditional; else NULL */
} range;

/* The program is written from its end to its start: a target is always known before the jump to it, and an equal
 * return that stands near enough is shared. Positions count from the end. */
typedef struct writer {
    struct sock_filter code[CODE_LIMIT];
    uint32_t length;
    int overflow;
} writer;

static uint32_t emit(writer *w, uint16_t code, uint8_t jump_true, uint8_t jump_false, uint32_t k) {
    if (w->length == CODE_LIMIT) {
        w->overflow = 1;
        return 0;
    }
    w->code[CODE_LIMIT - 1 - w->length] = (struct sock_filter){code, jump_true, jump_false, k};
    return w->length++;
}

static uint32_t emit_return(writer *w, uint32_t action) {
    uint32_t reach = w->length < 200 ? w->length : 200; /* leaves room for what stands between jump and target */
    for (uint32_t back = 1; back <= reach; back++) {
        const struct sock_filter *seen = &w->code[CODE_LIMIT - 1 - (w->length - back)];
        if (seen->code == (BPF_RET | BPF_K) && seen->k == action) {
            return w->length - back;
        }
    }
    return emit(w, BPF_RET | BPF_K, 0, 0, action);
}

/* A conditional jump reaches 255 instructions; further ones go over an unconditional jump. */
static uint32_t emit_jump(writer *w, uint16_t operation, uint32_t k, uint32_t if_true, uint32_t if_false) {
    if (w->length - 1 - if_false > 254) {
        if_false = emit(w, BPF_JMP | BPF_JA, 0, 0, w->length - 1 - if_false);
    }
    if (w->length - 1 - if_true > 255) {
        if_true = emit(w, BPF_JMP | BPF_JA, 0, 0, w->length - 1 - if_true);
    }
    return emit(w, (uint16_t)(BPF_JMP | operation | BPF_K), (uint8_t)(w->length - 1 - if_true),
                (uint8_t)(w->length - 1 - if_false), k);
}

static uint32_t emit_rule(writer *w, const wy_filter_rule *rule) {
    const wy_filter_condition *condition = &rule->condition;
    uint32_t holds = emit_return(w, condition->negated ? rule->otherwise : rule->action);
    uint32_t next = emit_return(w, condition->negated ? rule->action : rule->otherwise);
    for (uint32_t i = 0; i < condition->value_count; i++) {
        next = emit_jump(w, BPF_JEQ, condition->values[i], holds, next);
    }
    if (condition->mask != UINT32_MAX) {
        (void)emit(w, BPF_ALU | BPF_AND | BPF_K, 0, 0, condition->mask);
    }
    uint32_t low = (uint32_t)offsetof(struct seccomp_data, args) + 8u * condition->argument; /* little-endian */
    return emit(w, BPF_LD | BPF_W | BPF_ABS, 0, 0, low);
}

static uint32_t emit_search(writer *w, const range *ranges, uint32_t count) {
    if (count == 1) {
        return ranges[0].rule != NULL ? emit_rule(w, ranges[0].rule) : emit_return(w, ranges[0].action);
    }
    uint32_t half = count / 2;
    uint32_t right = emit_search(w, ranges + half, count - half);
    uint32_t left = emit_search(w, ranges, half);
    return emit_jump(w, BPF_JGE, ranges[half].first, right, left);
}

static int by_number(const void *a, const void *b) {
    const wy_filter_rule *left = *(const wy_filter_rule *const *)a, *right = *(const wy_filter_rule *const *)b;
    return (left->number > right->number) - (left->number < right->number);
}

static void add_range(range *ranges, uint32_t *count, uint32_t first, uint32_t action, const wy_filter_rule *rule) {
    if (*count > 0 && ranges[*count - 1].first == first) {
        (*count)--; /* the default's range before this rule is empty */
    }
    if (rule == NULL && *count > 0 && ranges[*count - 1].rule == NULL && ranges[*count - 1].action == action) {
        return;
    }
    ranges[(*count)++] = (range){first, action, rule};
}

static uint32_t make_ranges(const wy_filter_rules *rules, range *ranges) {
    const wy_filter_rule *sorted[WY_FILTER_MAX_RULES];
    for (uint32_t i = 0; i < rules->count; i++) {
        sorted[i] = &rules->rules[i];
    }
    qsort(sorted, rules->count, sizeof sorted[0], by_number);
    uint32_t count = 0;
    add_range(ranges, &count, 0, rules->default_action, NULL);
    for (uint32_t i = 0; i < rules->count; i++) {
        const wy_filter_rule *rule = sorted[i];
        add_range(ranges, &count, rule->number, rule->action, rule->condition.present ? rule : NULL);
        add_range(ranges, &count, rule->number + 1, rules->default_action, NULL);
    }
    return count;
}

wy_status wy_filter_compile(const wy_filter_rules *rules, struct sock_fprog *out, wy_error *error) {
    if (rules->count > WY_FILTER_MAX_RULES) {
        return wy_fail(error, WY_TOO_BIG, 0, "filter", "over %u rules", WY_FILTER_MAX_RULES);
    }
    writer *w = calloc(1, sizeof *w);
    range *ranges = calloc(MAX_RANGES, sizeof *ranges);
    wy_status status = WY_OK;
    if (w == NULL || ranges == NULL) {
        status = wy_fail(error, WY_NO_MEMORY, 0, "filter", "no memory");
        goto done;
    }
    uint32_t search = emit_search(w, ranges, make_ranges(rules, ranges));
#if defined(__x86_64__)
    uint32_t x32 = emit_return(w, SECCOMP_RET_ERRNO | ENOSYS);
    search = emit_jump(w, BPF_JGE, X32_BIT, x32, search);
#else
    (void)search;
#endif
    (void)emit(w, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    uint32_t body = w->length - 1;
    /* Another architecture's numbers mean other calls: each is a violation, told like the others and not by SIGSYS, which
     * would end one process of a task and name nothing. The filter under a worker's own yields here too. */
    uint32_t foreign = emit_return(w, rules->default_action == SECCOMP_RET_TRACE ? SECCOMP_RET_TRACE : SECCOMP_RET_USER_NOTIF);
    (void)emit_jump(w, BPF_JEQ, NATIVE_ARCH, body, foreign);
    (void)emit(w, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
    if (w->overflow) {
        status = wy_fail(error, WY_TOO_BIG, 0, "filter", "the program is over %u instructions", CODE_LIMIT);
        goto done;
    }
    size_t bytes = w->length * sizeof(struct sock_filter);
    struct sock_filter *code = malloc(bytes);
    if (code == NULL) {
        status = wy_fail(error, WY_NO_MEMORY, 0, "filter", "no memory");
        goto done;
    }
    memcpy(code, &w->code[CODE_LIMIT - w->length], bytes);
    out->filter = code;
    out->len = (unsigned short)w->length;
done:
    free(ranges);
    free(w);
    return status;
}
