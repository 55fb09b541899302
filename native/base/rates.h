/* Rates at which a task may use the host's disks: of each of them by itself. */
#ifndef WAYANG_BASE_RATES_H
#define WAYANG_BASE_RATES_H

#include <stdbool.h>
#include <stdint.h>

#define WY_LEAST_IO_BYTES UINT64_C(65536) /* a second: one request of a megabyte waits for seconds as it is */
#define WY_MOST_IO_BYTES (UINT64_C(1) << 46)
#define WY_LEAST_IO_OPS 1u
#define WY_MOST_IO_OPS 100000000u

/* A second; 0: not limited, or in a message: as the profile has it. */
typedef struct wy_io_rates {
    uint64_t read_bytes, write_bytes;
    uint32_t read_ops, write_ops;
} wy_io_rates;

static inline bool wy_io_any(const wy_io_rates *rates) {
    return rates->read_bytes != 0 || rates->write_bytes != 0 || rates->read_ops != 0 || rates->write_ops != 0;
}

#endif
