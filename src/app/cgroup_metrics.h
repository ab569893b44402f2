/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel did to us, as metrics: throttling, pressure and memory of the control groups,
 * read at each scrape. What the kernel does not show at a scrape is not on its page: a limit
 * may be set and lifted while we run. */
#ifndef PN_APP_CGROUP_METRICS_H
#define PN_APP_CGROUP_METRICS_H

#include "base/metric.h"

void pn_cgroup_metrics(struct pn_metrics *metrics);

#endif
