/* SPDX-License-Identifier: Apache-2.0
 *
 * A mapped file that is cut short must cost an answer, not the process.
 *
 * Life: installed once, first of all. Threading: the handler runs on the thread that faulted;
 * a thread that blocks SIGBUS is not guarded. */
#ifndef PN_APP_FAULT_H
#define PN_APP_FAULT_H

/* Handle SIGBUS: go on where pn_filemap_on_fault() can help, else end as without a handler. */
void pn_fault_guard_install(void);

#endif
