/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals of the process are the main thread's business: every other thread is started with
 * them blocked. Threading: any thread, for itself. */
#ifndef PN_BASE_SIGNALS_H
#define PN_BASE_SIGNALS_H

#include <signal.h>

/* Block all signals in this thread, and so in those that it starts, but for the ones that a
 * thread raises by its own fault: blocked, a fault would end the process unseen by its handler.
 * @before receives the mask for pn_signals_restore(). */
void pn_signals_block(sigset_t *before);
void pn_signals_restore(const sigset_t *before);

#endif
