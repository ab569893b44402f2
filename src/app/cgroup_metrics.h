/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel did to us, as metrics: throttling, pressure and memory of the control groups,
 * read at each scrape. What this machine does not have is not shown. */
#ifndef PN_APP_CGROUP_METRICS_H
#define PN_APP_CGROUP_METRICS_H

#include "base/metric.h"

void pn_cgroup_metrics(struct pn_metrics *metrics);

#endif
