#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

wy_status wy_fail(wy_error *error, wy_status status, int sys_errno, const char *where, const char *format, ...) {
    if (error == NULL) {
        return status;
    }
    memset(error, 0, sizeof(*error));
    error->status = (int32_t)status;
    error->sys_errno = sys_errno;
    (void)snprintf(error->where, sizeof(error->where), "%s", where);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    return status;
}
