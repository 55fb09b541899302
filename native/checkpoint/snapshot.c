#include "checkpoint/snapshot.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

static wy_status read_action(wy_tracee *tracee, int number, wy_action *out, wy_error *error) {
    int64_t result = 0;
    const uint64_t arguments[6] = {(uint64_t)number, 0, 0, sizeof(uint64_t)};
    wy_status status = wy_tracee_call_with(tracee, SYS_rt_sigaction, arguments, 2, out, sizeof *out, &result, error);
    return status != WY_OK ? status
           : result == 0   ? WY_OK
                           : wy_fail(error, WY_DENIED, (int)-result, "signal", "the handler of signal %d cannot be read", number);
}

static wy_status read_actions(wy_tracee *tracee, wy_snapshot *out, wy_error *error) {
    wy_status status = WY_OK;
    for (uint32_t i = 0; i < WY_SIGNALS && status == WY_OK; i++) {
        if ((out->handled >> i & 1) != 0) {
            status = read_action(tracee, (int)i + 1, &out->actions[i], error);
        }
    }
    return status;
}

static wy_status set_action(wy_tracee *tracee, int number, const wy_action *wanted, wy_error *error) {
    int64_t result = 0;
    wy_action action = *wanted;
    const uint64_t arguments[6] = {(uint64_t)number, 0, 0, sizeof(uint64_t)};
    wy_status status = wy_tracee_call_with(tracee, SYS_rt_sigaction, arguments, 1, &action, sizeof action, &result, error);
    return status != WY_OK ? status
           : result == 0   ? WY_OK
                           : wy_fail(error, WY_DENIED, (int)-result, "signal", "the handler of signal %d cannot be set", number);
}

wy_status wy_snapshot_set_actions(wy_tracee *tracee, const wy_snapshot *has, const wy_snapshot *wanted, wy_error *error) {
    static const wy_action none;
    wy_state_facts facts = {0};
    if (has == NULL) {
        wy_state_read(tracee->memory.pid, &facts);
    }
    uint64_t handled = has != NULL ? has->handled : facts.handled;
    wy_status status = WY_OK;
    for (uint32_t i = 0; i < WY_SIGNALS && status == WY_OK; i++) {
        wy_action now = none, next = (wanted->handled >> i & 1) != 0 ? wanted->actions[i] : none;
        if ((handled >> i & 1) != 0 && has != NULL) {
            now = has->actions[i];
        } else if ((handled >> i & 1) != 0) {
            status = read_action(tracee, (int)i + 1, &now, error);
        }
        if (status == WY_OK && memcmp(&now, &next, sizeof now) != 0) {
            status = set_action(tracee, (int)i + 1, &next, error);
        }
    }
    return status;
}

wy_status wy_snapshot_heap_end(wy_tracee *tracee, uint64_t wanted, uint64_t *out, wy_error *error) {
    int64_t result = 0;
    wy_status status = wy_tracee_call(tracee, SYS_brk, (uint64_t[6]){wanted}, &result, error);
    *out = (uint64_t)result;
    return status;
}

wy_status wy_snapshot_take(wy_tracee *tracee, const wy_state_rules *rules, wy_snapshot *out, wy_error *error) {
    memset(out, 0, sizeof *out);
    wy_state_facts facts;
    wy_state_read(tracee->memory.pid, &facts);
    out->handled = facts.handled;
    wy_status status = wy_vmas_read(tracee->memory.pid, &out->vmas, error);
    status = status == WY_OK ? wy_state_check(tracee, &facts, &out->vmas, rules, error) : status;
    status = status == WY_OK ? read_actions(tracee, out, error) : status;
    status = status == WY_OK ? wy_snapshot_heap_end(tracee, 0, &out->heap_end, error) : status;
    if (status != WY_OK) {
        wy_snapshot_free(out);
        return status;
    }
    out->registers = tracee->registers;
    return WY_OK;
}

void wy_snapshot_free(wy_snapshot *snapshot) {
    wy_vmas_free(&snapshot->vmas);
}
