/* Sentences that a hostile process wrote, made fit to be shown. */
#ifndef WAYANG_SPAWNER_TEXT_H
#define WAYANG_SPAWNER_TEXT_H

#include <stddef.h>

#include "base/status.h"

/* "where: message", cut at the field's ends and at `capacity`, every byte printable ASCII. */
void wy_text_of_error(const wy_error *error, char *out, size_t capacity);

#endif
