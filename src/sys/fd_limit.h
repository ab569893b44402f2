/* SPDX-License-Identifier: Apache-2.0
 *
 * How many files and sockets this process may have open. Threading: before others start. */
#ifndef PN_SYS_FD_LIMIT_H
#define PN_SYS_FD_LIMIT_H

#include <stddef.h>

/* The soft limit is 1024 nearly everywhere, for the sake of select(), which nothing here calls;
 * a program that can do with more is to raise it itself. Each mapped table and each connection
 * takes a descriptor. Not without end: Docker's hard limit was 10^9 for years, and libraries
 * have allocated by it; systemd's for services is this one.
 * Source: systemd.exec(5), LimitNOFILE=. */
enum { PN_FD_LIMIT_MOST = 1 << 19 };

/* Raise the soft limit to the hard one or @most, whichever is less; never lower it. Returns the
 * soft limit in force; what cannot be raised stays. */
size_t pn_fd_limit_raise(size_t most);

#endif
