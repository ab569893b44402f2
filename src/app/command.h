/* SPDX-License-Identifier: Apache-2.0
 *
 * The subcommands. Each gets its own name as argv[0] and returns the exit status. stdout
 * carries results, stderr everything else. */
#ifndef PN_APP_COMMAND_H
#define PN_APP_COMMAND_H

#include "app/options.h"

enum { PN_EXIT_OK = 0, PN_EXIT_FAILED = 1, PN_EXIT_UNUSABLE = 2 };

int pn_command_serve(int argc, char **argv);
int pn_command_check(int argc, char **argv);
int pn_command_bench(int argc, char **argv);
int pn_command_cpus(int argc, char **argv);
int pn_command_health(int argc, char **argv);
int pn_command_version(int argc, char **argv);

/* Print --help of @table to stdout; returns the exit status. */
int pn_command_help(const struct pn_option_table *table);

/* One line to stderr, "pinnace CMD: sentence"; returns @status. */
int pn_command_fail(const char *command, int status, const char *sentence);

/* Is the BLAS that was loaded the serial build? Says so on stderr if it is not. */
bool pn_command_blas_usable(const char *command);

#endif
