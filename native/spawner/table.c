/* Finding a worker by id or pid, and a free slot, in constant time: this stands on the way of every start. */
#include <stdlib.h>
#include <string.h>

#include "spawner/state.h"

#define NOBODY UINT32_MAX

static uint32_t bucket_of(const wy_spawner *s, uint64_t key) {
    return (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 40) & (s->bucket_count - 1);
}

wy_status wy_table_make(wy_spawner *s) {
    uint32_t count = 64;
    while (count < s->policy.max_workers) {
        count *= 2;
    }
    s->bucket_count = count;
    s->workers = calloc(s->policy.max_workers, sizeof *s->workers);
    s->by_id = malloc(count * sizeof *s->by_id);
    s->by_pid = malloc(count * sizeof *s->by_pid);
    if (s->workers == NULL || s->by_id == NULL || s->by_pid == NULL) {
        return WY_NO_MEMORY;
    }
    memset(s->by_id, 0xff, count * sizeof *s->by_id);
    memset(s->by_pid, 0xff, count * sizeof *s->by_pid);
    for (uint32_t i = 0; i < s->policy.max_workers; i++) {
        s->workers[i].next_by_id = i + 1 < s->policy.max_workers ? i + 1 : NOBODY;
    }
    s->free_worker = 0;
    return WY_OK;
}

void wy_table_free(wy_spawner *s) {
    free(s->workers);
    free(s->by_id);
    free(s->by_pid);
}

wy_worker_slot *wy_worker_find(wy_spawner *s, uint64_t id) {
    for (uint32_t i = s->by_id[bucket_of(s, id)]; i != NOBODY; i = s->workers[i].next_by_id) {
        if (s->workers[i].start.worker_id == id) {
            return &s->workers[i];
        }
    }
    return NULL;
}

bool wy_worker_has_pid(const wy_spawner *s, pid_t pid) {
    for (uint32_t i = s->by_pid[bucket_of(s, (uint64_t)pid)]; i != NOBODY; i = s->workers[i].next_by_pid) {
        if (s->workers[i].pid == pid) {
            return true;
        }
    }
    return false;
}

wy_worker_slot *wy_worker_take(wy_spawner *s, const wy_msg_worker_start *start) {
    if (s->free_worker == NOBODY) {
        return NULL;
    }
    uint32_t index = s->free_worker, *head = &s->by_id[bucket_of(s, start->worker_id)];
    wy_worker_slot *worker = &s->workers[index];
    uint32_t generation = worker->generation + 1;
    s->free_worker = worker->next_by_id;
    memset(worker, 0, sizeof *worker);
    worker->generation = generation;
    worker->pidfd = worker->boot_fd = worker->listener_fd = -1;
    worker->agent.pidfd = worker->agent.control_fd = worker->agent.stream_fd = -1;
    worker->start = *start;
    worker->next_by_id = *head;
    *head = index;
    return worker;
}

void wy_worker_set_pid(wy_spawner *s, wy_worker_slot *worker, pid_t pid) {
    uint32_t *head = &s->by_pid[bucket_of(s, (uint64_t)pid)];
    worker->pid = pid;
    worker->next_by_pid = *head;
    *head = wy_worker_index(s, worker);
}

void wy_worker_drop(wy_spawner *s, wy_worker_slot *worker) {
    uint32_t index = wy_worker_index(s, worker);
    uint32_t *link = &s->by_id[bucket_of(s, worker->start.worker_id)];
    while (*link != index) {
        link = &s->workers[*link].next_by_id;
    }
    *link = worker->next_by_id;
    if (worker->pid > 0) {
        link = &s->by_pid[bucket_of(s, (uint64_t)worker->pid)];
        while (*link != index) {
            link = &s->workers[*link].next_by_pid;
        }
        *link = worker->next_by_pid;
    }
    worker->state = WY_WORKER_FREE;
    worker->next_by_id = s->free_worker;
    s->free_worker = index;
}
