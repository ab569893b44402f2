/* SPDX-License-Identifier: Apache-2.0
 *
 * From a method and a path to an answer, knowing nothing of sockets.
 * Threading: any thread; a page belongs to its caller. */
#ifndef PN_HTTP_PAGE_H
#define PN_HTTP_PAGE_H

#include "base/str.h"
#include "http/http.h"

struct pn_page {
    unsigned status;
    const char *type;  /* Content-Type, or NULL for an empty body */
    const char *allow; /* the Allow header of a 405, or NULL */
    struct pn_str body;
};

/* Answer @method on @path (decoded, without the query). @out is written in any case; its body
 * is freed by the caller with pn_str_fini(). Without memory the status is 503. */
void pn_page_make(const struct pn_http_options *options, const char *method,
    const char *path, struct pn_page *out);

#endif
