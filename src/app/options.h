/* SPDX-License-Identifier: Apache-2.0
 *
 * Command line options from one table: flag, environment variable, default, help.
 *
 * An option --some-name may come as PINNACE_SOME_NAME; the flag wins. Kubernetes injects
 * addresses of services ("tcp://10.0.0.1:8002") under names that may look like ours: such
 * values are ignored with one line.
 * Life: parse -> read the caller's struct -> fini. Strings point into argv, the environment
 * or the parsed memory. Threading: before any thread is started. */
#ifndef PN_APP_OPTIONS_H
#define PN_APP_OPTIONS_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The type of the field behind an option. */
enum pn_option_kind {
    PN_OPTION_BOOL,   /* bool: --x, --x=true, --x false */
    PN_OPTION_TEXT,   /* const char * */
    PN_OPTION_CHOICE, /* const char *, one of ->choices */
    PN_OPTION_LIST,  /* struct pn_text_list: repeatable; ":" separates in the environment */
    PN_OPTION_INT,   /* int64_t within [min, max] */
    PN_OPTION_OCTAL, /* int64_t within [min, max], as chmod reads it */
    PN_OPTION_NUMBER, /* double, >= 0 */
    PN_OPTION_BYTES   /* size_t: "64MiB" */
};

struct pn_text_list {
    const char **items;
    size_t n;
};

struct pn_option {
    const char *name, *alias; /* without the dashes; alias may be NULL */
    enum pn_option_kind kind;
    size_t offset;        /* of the field */
    const char *fallback; /* as typed; NULL leaves the field zero */
    int64_t min, max;
    const char *const *choices; /* NULL-terminated */
    const char *value, *help;   /* "PORT", "listen on PORT" */
};

/* Options of Triton that mean nothing here: one warning each, or refused when silence would
 * weaken security. */
struct pn_foreign_option {
    const char *name;
    bool takes_value;
    bool refused;
};

struct pn_option_table {
    const char *command; /* "pinnace serve" */
    const char *usage;   /* "[PATH...]" */
    const char *about;   /* a sentence for --help */
    bool environment;    /* read PINNACE_* */
    const struct pn_option *options;
    size_t n_options;
    const struct pn_foreign_option *foreign;
    size_t n_foreign;
};

enum { PN_OPTIONS_MAX = 64 };

struct pn_parsed {
    bool help;                  /* --help was given: nothing else was checked */
    bool given[PN_OPTIONS_MAX]; /* by flag or environment, in the table's order */
    const char **arguments;
    size_t n_arguments;
    struct pn_arena arena;
};

/* Defaults, then the environment, then @argv (whose first entry is the command) into the
 * struct at @into. Returns PN_OK, or PN_INVALID with a sentence. Legal to fini in any case. */
PN_MUST_USE enum pn_code pn_options_parse(const struct pn_option_table *table, int argc,
    char **argv, void *into, struct pn_parsed *parsed, struct pn_error *err);
void pn_parsed_fini(struct pn_parsed *parsed);

/* Was the option of that name given? */
bool pn_option_given(
    const struct pn_option_table *table, const struct pn_parsed *parsed, const char *name);

/* The text of --help. */
void pn_options_help(const struct pn_option_table *table, struct pn_str *out);

/* The value of PINNACE_<NAME> for option @name, or NULL when it is unset, empty or a service
 * link. */
const char *pn_option_environment(const char *name);

#endif
