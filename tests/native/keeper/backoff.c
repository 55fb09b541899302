/* When what ended is started again. */
#include "../check.h"
#include "keeper/backoff.h"

static void delays_double_while_starts_fail(void) {
    wy_backoff backoff = {0};
    int64_t now = 5000;
    const int64_t expected[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        CHECK(wy_backoff_next(&backoff, now) == now + expected[i]);
        now += expected[i] + 50; /* it ends 50 ms after its start */
    }
    check_done("delays double up to the most while each ends right after its start");
}

static void who_ran_well_starts_soon(void) {
    wy_backoff backoff = {0};
    int64_t now = 5000;
    for (int i = 0; i < 4; i++) {
        now = wy_backoff_next(&backoff, now) + 10;
    }
    for (int i = 0; i < 50; i++) {
        now = backoff.start_at_ms + WY_BACKOFF_SETTLED_MS;
        CHECK(wy_backoff_next(&backoff, now) == now + WY_BACKOFF_FIRST_MS);
    }
    check_done("one that ran for a while is started again after the first delay, however often that happens");
}

static void a_loop_is_given_up(void) {
    wy_backoff backoff = {0};
    for (int i = 0; i < WY_RESTARTS_PER_MINUTE; i++) {
        CHECK(wy_backoff_next(&backoff, 1000 + i) > 0);
    }
    CHECK(wy_backoff_next(&backoff, 1000 + 59999) == -1);
    CHECK(wy_backoff_next(&backoff, 1000 + 60000) > 0);
    check_done("more than the bounded number within a minute is given up");
}

int main(void) {
    delays_double_while_starts_fail();
    who_ran_well_starts_soon();
    a_loop_is_given_up();
    return check_failures != 0;
}
