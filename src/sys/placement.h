/* SPDX-License-Identifier: Apache-2.0
 *
 * Which CPU each worker gets: a pure function of the topology.
 *
 * Whole cores come before second hardware threads (which add little to a product of matrices),
 * faster kinds before slower, then one island before the next: that with the most cores, and
 * the others of its NUMA node behind it. Ties go to the lowest CPU. */
#ifndef PN_SYS_PLACEMENT_H
#define PN_SYS_PLACEMENT_H

#include "base/error.h"
#include "sys/topology.h"

/* Write the CPUs of @workers workers, all different, to @cpus. Returns PN_OK; PN_INVALID when
 * there are fewer CPUs than workers; PN_EXHAUSTED without memory. */
PN_MUST_USE enum pn_code pn_placement_plan(const struct pn_topology *topology,
    size_t workers, unsigned *cpus, struct pn_error *err);

#endif
