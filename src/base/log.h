/* SPDX-License-Identifier: Apache-2.0
 *
 * One line an event, to stderr.
 *
 * Text: `2026-11-22T17:30:00.123Z I model loaded model=flights version=1`. JSON: one object a
 * line with ts, level, msg. A line is written with a single write(2). Threading: any thread;
 * pn_log_init before the others start. */
#ifndef PN_BASE_LOG_H
#define PN_BASE_LOG_H

#include <stdbool.h>

enum pn_log_level {
    PN_LOG_ERROR,
    PN_LOG_WARNING,
    PN_LOG_INFO,
    PN_LOG_VERBOSE, /* shown at --log-verbose >= 1 */
};

/* @verbose  0 shows up to PN_LOG_INFO, 1 PN_LOG_VERBOSE too. @json switches the format. */
void pn_log_init(int verbose, bool json);

/* Would a line of this level be shown? For callers that must prepare expensive text. */
bool pn_log_enabled(enum pn_log_level level);

/* One line. Newlines and other control characters in the text are escaped. */
void pn_log(enum pn_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
