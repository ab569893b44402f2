/* SPDX-License-Identifier: Apache-2.0
 *
 * Codes to names, and the two ways to write an error's sentence. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef pn_fail /* the analyzer's view of them */
#undef pn_wrap

const char *pn_code_text(enum pn_code code)
{
    switch (code) {
#define CODE_CASE(symbol, text, grpc)                                                      \
    case symbol:                                                                           \
        return text;
        PN_CODES(CODE_CASE)
#undef CODE_CASE
    }
    return "UNKNOWN";
}

enum pn_code pn_fail(struct pn_error *err, enum pn_code code, const char *fmt, ...)
{
    if (!err)
        return code;
    err->code = code;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, args);
    va_end(args);
    return code;
}

enum pn_code pn_wrap(struct pn_error *err, const char *fmt, ...)
{
    if (!err)
        return PN_INTERNAL;
    char inner[PN_ERROR_MSG_BYTES];
    memcpy(inner, err->msg, sizeof inner);
    inner[sizeof inner - 1] = '\0';

    va_list args;
    va_start(args, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, args);
    va_end(args);

    size_t used = strlen(err->msg);
    snprintf(err->msg + used, sizeof err->msg - used, ": %s", inner);
    return err->code;
}
