/* SPDX-License-Identifier: Apache-2.0
 *
 * Words of protobuf's text format. Threading: none of its own.
 * Source: Protocol Buffers, "Text Format Language Specification". */
#ifndef PN_MODEL_PBTEXT_LEX_H
#define PN_MODEL_PBTEXT_LEX_H

#include "base/arena.h"
#include "base/error.h"

#include <stddef.h>

enum pn_pbtext_kind {
    PN_PBTEXT_END,
    PN_PBTEXT_NAME,
    PN_PBTEXT_NUMBER, /* without its sign */
    PN_PBTEXT_STRING, /* with its quotes */
    PN_PBTEXT_SYMBOL  /* one character */
};

struct pn_pbtext_token {
    enum pn_pbtext_kind kind;
    const char *text;
    size_t len;
    size_t line, column; /* from 1; columns count bytes */
};

struct pn_pbtext_lexer {
    const char *file; /* for messages */
    const char *at, *end, *line_start;
    size_t line;
    struct pn_pbtext_token token; /* the current one */
};

/* Start on @text[@len] and read the first token. */
PN_MUST_USE enum pn_code pn_pbtext_start(struct pn_pbtext_lexer *lex, const char *file,
    const char *text, size_t len, struct pn_error *err);
PN_MUST_USE enum pn_code pn_pbtext_next(struct pn_pbtext_lexer *lex, struct pn_error *err);

/* Fail at the current token: `config.pbtxt:3:7: …`. */
enum pn_code pn_pbtext_fail(struct pn_pbtext_lexer *lex, struct pn_error *err,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Decode the current string token's escapes into @out, which has room for token.len bytes.
 * *len is what was written. */
PN_MUST_USE enum pn_code pn_pbtext_unescape(
    struct pn_pbtext_lexer *lex, char *out, size_t *len, struct pn_error *err);

#endif
