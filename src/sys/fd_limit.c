/* SPDX-License-Identifier: Apache-2.0
 *
 * RLIMIT_NOFILE. */
#include "sys/fd_limit.h"

#include <sys/resource.h>

size_t pn_fd_limit_raise(size_t most)
{
    struct rlimit limit = {0}, raised;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    raised = limit;
    raised.rlim_cur = limit.rlim_max < most ? limit.rlim_max : most;
    if (raised.rlim_cur > limit.rlim_cur && setrlimit(RLIMIT_NOFILE, &raised) == 0)
        return (size_t)raised.rlim_cur;
    return (size_t)limit.rlim_cur;
}
