/* The compiled program against the rules, by running it: random rule sets, every number, every condition value. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/filter.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif
#define ROUNDS 300
#define NUMBERS 700u

/* What the kernel would return; -1 for a jump out of the program or an instruction that seccomp does not know. */
static int64_t run(const struct sock_fprog *program, const struct seccomp_data *data) {
    uint32_t accumulator = 0;
    for (uint32_t at = 0; at < program->len; at++) {
        const struct sock_filter *one = &program->filter[at];
        switch (one->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            memcpy(&accumulator, (const char *)data + one->k, sizeof accumulator);
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            accumulator &= one->k;
            break;
        case BPF_JMP | BPF_JA:
            at += one->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            at += accumulator == one->k ? one->jt : one->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            at += accumulator >= one->k ? one->jt : one->jf;
            break;
        case BPF_RET | BPF_K:
            return one->k;
        default:
            return -1;
        }
    }
    return -1;
}

static uint32_t expected(const wy_filter_rules *rules, const struct seccomp_data *data) {
    for (uint32_t i = 0; i < rules->count; i++) {
        const wy_filter_rule *rule = &rules->rules[i];
        const wy_filter_condition *condition = &rule->condition;
        if (rule->number != (uint32_t)data->nr) {
            continue;
        }
        int found = !condition->present;
        for (uint32_t v = 0; v < condition->value_count; v++) {
            found |= ((uint32_t)data->args[condition->argument] & condition->mask) == condition->values[v];
        }
        return (found != 0) != (condition->negated != 0) ? rule->action : rule->otherwise;
    }
    return rules->default_action;
}

static void make_rules(wy_filter_rules *rules) {
    static const uint32_t actions[] = {SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | 1, SECCOMP_RET_ERRNO | 38,
                                       SECCOMP_RET_USER_NOTIF, SECCOMP_RET_TRACE};
    memset(rules, 0, sizeof *rules);
    rules->default_action = rand() % 4 == 0 ? SECCOMP_RET_TRACE : SECCOMP_RET_ERRNO | 1; /* a filter that lies under others */
    uint32_t density = (uint32_t)rand() % 100;
    for (uint32_t number = 0; number < NUMBERS && rules->count < WY_FILTER_MAX_RULES; number++) {
        if ((uint32_t)rand() % 100 >= density) {
            continue;
        }
        wy_filter_rule *rule = &rules->rules[rules->count++];
        *rule = (wy_filter_rule){.number = number, .action = actions[rand() % 5], .otherwise = actions[rand() % 5]};
        if (rand() % 4 == 0) {
            rule->condition = (wy_filter_condition){.present = 1,
                                                    .argument = (uint8_t)(rand() % 6),
                                                    .value_count = (uint8_t)(1 + rand() % 4),
                                                    .negated = (uint8_t)(rand() % 2),
                                                    .mask = rand() % 2 ? UINT32_MAX : 7};
            for (int v = 0; v < 4; v++) {
                rule->condition.values[v] = (uint32_t)rand() % 8;
            }
        }
    }
    for (uint32_t i = rules->count; i > 1; i--) { /* the compiler sorts */
        uint32_t other = (uint32_t)rand() % i;
        wy_filter_rule kept = rules->rules[i - 1];
        rules->rules[i - 1] = rules->rules[other];
        rules->rules[other] = kept;
    }
}

static int check_one(const wy_filter_rules *rules) {
    struct sock_fprog program;
    wy_error error;
    if (wy_filter_compile(rules, &program, &error) != WY_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    int failed = 0;
    for (uint32_t number = 0; number < NUMBERS + 10 && !failed; number++) {
        for (uint32_t value = 0; value < 10 && !failed; value++) {
            struct seccomp_data data = {.nr = (int)number, .arch = ARCH};
            for (int i = 0; i < 6; i++) {
                data.args[i] = value + (value == 9 ? UINT64_C(1) << 40 : 0);
            }
            int64_t got = run(&program, &data);
            if (got != (int64_t)expected(rules, &data)) {
                fprintf(stderr, "number %u value %u: %llx, wanted %x\n", number, value, (unsigned long long)got,
                        expected(rules, &data));
                failed = 1;
            }
        }
    }
    struct seccomp_data foreign = {.nr = 0, .arch = AUDIT_ARCH_I386}, x32 = {.nr = 0x40000000, .arch = ARCH};
    failed |= run(&program, &foreign) != (int64_t)(rules->default_action == SECCOMP_RET_TRACE ? SECCOMP_RET_TRACE : SECCOMP_RET_USER_NOTIF);
#if defined(__x86_64__)
    failed |= run(&program, &x32) != (int64_t)(SECCOMP_RET_ERRNO | ENOSYS);
#else
    (void)x32;
#endif
    free(program.filter);
    return failed;
}

int main(void) {
    static wy_filter_rules rules;
    srand(1);
    for (int round = 0; round < ROUNDS; round++) {
        make_rules(&rules);
        if (check_one(&rules) != 0) {
            fprintf(stderr, "round %d of seed 1, %u rules\n", round, rules.count);
            return 1;
        }
    }
    printf("filter: %d random rule sets, every number, agree with the rules; foreign architectures told\n", ROUNDS);
    return 0;
}
