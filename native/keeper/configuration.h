/* The configuration that travels from whoever started the keeper to each daemon; its content is described in
 * src/Wayang.Fast.Host/Configuration/ConfigurationBundle.cs. */
#ifndef WAYANG_KEEPER_CONFIGURATION_H
#define WAYANG_KEEPER_CONFIGURATION_H

#include <sys/types.h>

#include "base/status.h"

#define WY_CONFIGURATION_MAX_BYTES (272ll << 20)

/* Opens descriptor `number` of the process `owner`: a sealed memory file, else WY_INVALID. The caller closes it. */
wy_status wy_configuration_open(pid_t owner, int number, int *out, wy_error *error);

#endif
