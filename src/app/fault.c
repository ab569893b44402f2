/* SPDX-License-Identifier: Apache-2.0
 *
 * The executable's SIGBUS handler. */
#include "app/fault.h"

#include "sys/filemap.h"

#include <signal.h>

static struct sigaction before; /* const after install */

/* Only a page that a file could not give (BUS_ADRERR) is made good. After anything else the
 * instruction is run again under the action that was there before, which by default ends the
 * process with a core of the place; a signal that somebody sent must be sent again. */
static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_code == BUS_ADRERR && pn_filemap_on_fault(info->si_addr))
        return;
    (void)sigaction(SIGBUS, &before, NULL);
    if (info->si_code <= 0)
        (void)raise(signal_number);
}

void pn_fault_guard_install(void)
{
    struct sigaction action = {
        .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGBUS, &action, &before);
}
