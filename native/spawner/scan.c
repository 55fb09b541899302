/* Scans: each running worker against its profile, a few a turn, so that nobody who starts one waits for it. */
#include <stdio.h>
#include <string.h>

#include "spawner/state.h"

#define WORKERS_PER_TURN 8u

void wy_scan_begin(wy_spawner *s, uint64_t request_id) {
    if (s->scan.active) {
        wy_refuse(s, request_id, 0, WY_FULL, 0, "a scan is under way");
        return;
    }
    memset(&s->scan, 0, sizeof s->scan);
    s->scan.active = true;
    s->scan.request_id = request_id;
}

static void tell(wy_spawner *s, const wy_worker_slot *worker, uint32_t severity, const char *text) {
    if (s->scan.done.findings++ >= WY_SCAN_MAX_FINDINGS) {
        s->scan.done.untold++;
        return;
    }
    wy_msg_scan_finding finding;
    memset(&finding, 0, sizeof finding);
    finding.worker_id = worker->start.worker_id;
    finding.image_id = s->images[worker->image].id;
    finding.severity = severity;
    finding.pid = (int32_t)worker->pid;
    snprintf(finding.text, sizeof finding.text, "%s", text);
    wy_send_daemon(s, WY_MSG_SCAN_FINDING, s->scan.request_id, &finding, sizeof finding, NULL, 0);
}

static void judge(wy_spawner *s, wy_worker_slot *worker) {
    char text[128] = "";
    if (worker->violated || worker->kill_asked || worker->ended) {
        return; /* it is ending: what is seen of it now proves nothing */
    }
    s->scan.done.workers++;
    uint32_t severity = wy_scan_worker(s, worker, &s->scan.done.processes, text);
    if (severity == 0) {
        return;
    }
    wy_log_line(s, "scan: worker %llu, process %d: %s", (unsigned long long)worker->start.worker_id, (int)worker->pid, text);
    tell(s, worker, severity, text);
    if (severity == WY_SCAN_CRITICAL) {
        wy_worker_fail(worker, 0, text);
        worker->violated = worker->scanned = true;
        worker->violation = -1;
        wy_worker_kill(worker);
    }
}

void wy_scan_step(wy_spawner *s) {
    for (uint32_t looked = 0; looked < WORKERS_PER_TURN && s->scan.next < s->policy.max_workers; s->scan.next++) {
        wy_worker_slot *worker = &s->workers[s->scan.next];
        /* What an OCI runtime set up is not what our profile says, though no less. */
        if (worker->state == WY_WORKER_RUNNING && s->images[worker->image].profile->runtime == WY_RUNTIME_NATIVE) {
            judge(s, worker);
            looked++;
        }
    }
    if (s->scan.next >= s->policy.max_workers) {
        s->scan.active = false;
        wy_send_daemon(s, WY_MSG_SCAN_DONE, s->scan.request_id, &s->scan.done, sizeof s->scan.done, NULL, 0);
    }
}
