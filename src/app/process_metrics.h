/* SPDX-License-Identifier: Apache-2.0
 *
 * pinnace_build_info and the process_* metrics, read from /proc at each scrape. */
#ifndef PN_APP_PROCESS_METRICS_H
#define PN_APP_PROCESS_METRICS_H

#include "base/metric.h"

void pn_process_metrics(struct pn_metrics *metrics);

double pn_process_resident_bytes(void); /* now; 0 when that cannot be read */

#endif
