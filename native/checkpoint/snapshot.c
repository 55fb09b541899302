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
    pid_t pid = tracee->memory.pid;
    wy_status status = WY_OK;
    out->handled = wy_state_status_hex(pid, "SigCgt") | wy_state_status_hex(pid, "SigIgn");
    for (uint32_t i = 0; i < WY_SIGNALS && status == WY_OK; i++) {
        if ((out->handled >> i & 1) != 0) {
            status = read_action(tracee, (int)i + 1, &out->actions[i], error);
        }
    }
    return status;
}

wy_status wy_snapshot_set_actions(wy_tracee *tracee, const wy_snapshot *snapshot, wy_error *error) {
    pid_t pid = tracee->memory.pid;
    uint64_t now = wy_state_status_hex(pid, "SigCgt") | wy_state_status_hex(pid, "SigIgn");
    wy_status status = WY_OK;
    for (uint32_t i = 0; i < WY_SIGNALS && status == WY_OK; i++) {
        wy_action have = {0}, wanted = {0};
        if ((snapshot->handled >> i & 1) != 0) {
            wanted = snapshot->actions[i];
        }
        if ((now >> i & 1) != 0) {
            status = read_action(tracee, (int)i + 1, &have, error);
        }
        if (status == WY_OK && memcmp(&have, &wanted, sizeof have) != 0) {
            int64_t result = 0;
            const uint64_t arguments[6] = {i + 1, 0, 0, sizeof(uint64_t)};
            status = wy_tracee_call_with(tracee, SYS_rt_sigaction, arguments, 1, &wanted, sizeof wanted, &result, error);
            if (status == WY_OK && result != 0) {
                status = wy_fail(error, WY_DENIED, (int)-result, "signal", "the handler of signal %u cannot be set", i + 1);
            }
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
    wy_status status = wy_vmas_read(tracee->memory.pid, &out->vmas, error);
    status = status == WY_OK ? wy_state_check(tracee, &out->vmas, rules, error) : status;
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
