/* SPDX-License-Identifier: Apache-2.0
 *
 * One request on its way through the model.
 *
 * Jobs and the arrays inside them are kept and used again, so that a warm request takes
 * nothing from the heap. Life: pn_job_submit -> (queue) -> run -> done() -> free list.
 * Threading: a job belongs to one thread at a time: the submitter's, then a worker's. */
#ifndef PN_SERVE_JOB_H
#define PN_SERVE_JOB_H

#include "serve/core.h"

/* Take @request: refuse it, run it here or queue it. done() is called exactly once. */
void pn_job_submit(struct pn_serve *s, struct pn_request *request);

#endif
