/* SPDX-License-Identifier: Apache-2.0
 *
 * `pinnace COMMAND …`: one file a command. */
#include "app/command.h"
#include "app/fault.h"

#include "kernel/kernel.h"
#include "pinnace/version.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *about;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"serve", "serve models over gRPC", pn_command_serve},
    {"check", "load models, say what they are, run their test data", pn_command_check},
    {"bench", "measure a model without the network", pn_command_bench},
    {"cpus", "the CPUs that may be used, and why", pn_command_cpus},
    {"health", "ask a running server whether it is ready", pn_command_health},
    {"version", "versions of this program and its libraries", pn_command_version},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void usage(FILE *to)
{
    fprintf(to, "usage: pinnace COMMAND [options]\n\ncommands:\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].about);
    fprintf(to, "\npinnace COMMAND --help tells more.\n");
}

int pn_command_help(const struct pn_option_table *table)
{
    struct pn_str text = {0};

    pn_options_help(table, &text);
    if (!text.failed)
        fputs(text.data, stdout);
    pn_str_fini(&text);
    return PN_EXIT_OK;
}

int pn_command_fail(const char *command, int status, const char *sentence)
{
    fprintf(stderr, "%s: %s\n", command, sentence);
    return status;
}

bool pn_command_blas_usable(const char *command)
{
    struct pn_error err = {0};

    if (pn_blas_check_serial(&err) == PN_OK)
        return true;
    pn_command_fail(command, PN_EXIT_UNUSABLE, err.msg);
    return false;
}

int main(int argc, char **argv)
{
    pn_fault_guard_install();
    if (argc < 2) {
        usage(stderr);
        return PN_EXIT_UNUSABLE;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        usage(stdout);
        return PN_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("pinnace %s\n", pn_version());
        return PN_EXIT_OK;
    }
    fprintf(stderr, "pinnace: unknown command \"%s\"; see pinnace --help\n", argv[1]);
    return PN_EXIT_UNUSABLE;
}
