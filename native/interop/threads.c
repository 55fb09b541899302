#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/weight.h"
#include "interop/interop.h"

void wayang_give_way(void) {
    wy_weigh(0, 5, 3000000);
}

void wayang_slice_thread(int32_t thread, int64_t nanoseconds) {
    if (thread > 0 && nanoseconds > 0 && sched_getscheduler(thread) == SCHED_OTHER) {
        wy_weigh(thread, getpriority(PRIO_PROCESS, (id_t)thread), (uint64_t)nanoseconds);
    }
}

int32_t wayang_thread_weighs_less(int32_t thread) {
    return thread > 0 && sched_getscheduler(thread) == SCHED_OTHER && getpriority(PRIO_PROCESS, (id_t)thread) > getpriority(PRIO_PROCESS, (id_t)getpid());
}
