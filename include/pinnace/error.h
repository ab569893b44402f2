/* SPDX-License-Identifier: Apache-2.0
 *
 * Error codes and the text that travels beside them.
 *
 * Every function that can fail returns an enum pn_code and writes one sentence into a
 * caller-owned struct pn_error. The sentence names the thing, what was expected and what
 * came; callers prefix it as it climbs. Threading: a struct pn_error belongs to one thread
 * at a time. */
#ifndef PINNACE_ERROR_H
#define PINNACE_ERROR_H

#include "pinnace/api.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(symbol, text, gRPC status number). Source of the numbers: gRPC status codes,
 * google/rpc/code.proto. */
#define PN_CODES(X)                                                                        \
    X(PN_OK, "OK", 0)                                                                      \
    X(PN_CANCELLED, "CANCELLED", 1)                                                        \
    X(PN_INVALID, "INVALID_ARGUMENT", 3)                                                   \
    X(PN_DEADLINE, "DEADLINE_EXCEEDED", 4)                                                 \
    X(PN_NOT_FOUND, "NOT_FOUND", 5)                                                        \
    X(PN_EXHAUSTED, "RESOURCE_EXHAUSTED", 8)                                               \
    X(PN_UNIMPLEMENTED, "UNIMPLEMENTED", 12)                                               \
    X(PN_INTERNAL, "INTERNAL", 13)                                                         \
    X(PN_UNAVAILABLE, "UNAVAILABLE", 14)

enum pn_code {
#define PN_CODE_ENUM(symbol, text, grpc) symbol = grpc,
    PN_CODES(PN_CODE_ENUM)
#undef PN_CODE_ENUM
};

enum { PN_ERROR_MSG_BYTES = 512 };

/* Zero-initialise before the first use. @msg is NUL-terminated, cut to fit. */
struct pn_error {
    enum pn_code code;
    char msg[PN_ERROR_MSG_BYTES];
};

/* The code's name as gRPC spells it ("INVALID_ARGUMENT"); never NULL. */
PN_API const char *pn_code_text(enum pn_code code);

#ifdef __cplusplus
}
#endif

#endif
