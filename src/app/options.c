/* SPDX-License-Identifier: Apache-2.0
 *
 * getopt_long driven by a table. */
#include "app/options.h"

#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ARENA_BLOCK_BYTES = 1024, ARENA_LIMIT_BYTES = 1 << 20, NAME_BYTES = 64 };

/* getopt's val: an index into the table, or one of these ranges. */
enum { VAL_OPTION = 0x100, VAL_FOREIGN = 0x1000, VAL_HELP = 0x2000 };

/* ---- values ------------------------------------------------------------------------------ */

static bool parse_bool(const char *text, bool *out)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"1", true}, {"0", false}, {"on", true},
        {"off", false}, {"yes", true}, {"no", false}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i].word) == 0) { /* True: Python's, Helm's users' */
            *out = words[i].value;
            return true;
        }
    }
    return false;
}

static bool parse_octal(const char *text, int64_t min, int64_t max, int64_t *out)
{
    int64_t value = 0;

    if (!*text || strlen(text) > 8)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '7')
            return false;
        value = value * 8 + (*text - '0');
    }
    *out = value;
    return value >= min && value <= max;
}

static bool parse_number(const char *text, double *out)
{
    char *end;

    errno = 0;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && errno == 0 && isfinite(*out) && *out >= 0;
}

static bool parse_choice(const struct pn_option *o, const char *text, const char **out)
{
    for (size_t i = 0; o->choices[i]; i++) {
        if (strcmp(o->choices[i], text) == 0) {
            *out = o->choices[i];
            return true;
        }
    }
    return false;
}

static bool list_add(struct pn_parsed *parsed, struct pn_text_list *list, const char *text)
{
    const char **grown;
    size_t bytes;

    if (!pn_size_mul(list->n + 1, sizeof *grown, &bytes))
        return false;
    grown = pn_arena_alloc(&parsed->arena, bytes);
    if (!grown)
        return false;
    for (size_t i = 0; i < list->n; i++)
        grown[i] = list->items[i];
    grown[list->n++] = text;
    list->items = grown;
    return true;
}

static enum pn_code bad_value(
    const struct pn_option *o, const char *source, const char *text, struct pn_error *err)
{
    char expected[128];

    switch (o->kind) {
    case PN_OPTION_BOOL:
        snprintf(expected, sizeof expected, "true or false");
        break;
    case PN_OPTION_INT:
        snprintf(expected, sizeof expected, "a whole number from %" PRId64 " to %" PRId64,
            o->min, o->max);
        break;
    case PN_OPTION_OCTAL:
        snprintf(expected, sizeof expected, "octal digits such as %s", o->fallback);
        break;
    case PN_OPTION_NUMBER:
        snprintf(expected, sizeof expected, "a number that is not negative");
        break;
    case PN_OPTION_BYTES:
        snprintf(expected, sizeof expected, "a size such as 64MiB or 64Mi");
        break;
    default:
        snprintf(expected, sizeof expected, "%s", o->value);
        break;
    }
    return pn_fail(err, PN_INVALID, "%s: expected %s, got \"%s\"", source, expected, text);
}

/* Read @text into the option's field. @source is the flag or the variable, for messages. */
static enum pn_code set_value(const struct pn_option *o, const char *source,
    const char *text, void *into, struct pn_parsed *parsed, struct pn_error *err)
{
    void *field = (char *)into + o->offset;
    bool ok = true;

    switch (o->kind) {
    case PN_OPTION_BOOL:
        ok = parse_bool(text, field);
        break;
    case PN_OPTION_TEXT:
        *(const char **)field = text;
        break;
    case PN_OPTION_CHOICE:
        ok = parse_choice(o, text, field);
        break;
    case PN_OPTION_LIST:
        if (!list_add(parsed, field, text))
            return pn_fail(err, PN_EXHAUSTED, "%s: too many values", source);
        break;
    case PN_OPTION_INT:
        ok = pn_text_to_i64(text, o->min, o->max, field);
        break;
    case PN_OPTION_OCTAL:
        ok = parse_octal(text, o->min, o->max, field);
        break;
    case PN_OPTION_NUMBER:
        ok = parse_number(text, field);
        break;
    case PN_OPTION_BYTES:
        ok = pn_text_to_bytes(text, field);
        break;
    }
    return ok ? PN_OK : bad_value(o, source, text, err);
}

/* ---- defaults and environment ------------------------------------------------------------- */

static enum pn_code set_defaults(const struct pn_option_table *t, void *into,
    struct pn_parsed *parsed, struct pn_error *err)
{
    enum pn_code code = PN_OK;

    for (size_t i = 0; code == PN_OK && i < t->n_options; i++) {
        const struct pn_option *o = &t->options[i];

        if (o->fallback)
            code = set_value(o, o->name, o->fallback, into, parsed, err);
    }
    return code;
}

static const char *variable_name(const char *name, char out[NAME_BYTES])
{
    size_t at = (size_t)snprintf(out, NAME_BYTES, "PINNACE_");

    assert(at + strlen(name) < NAME_BYTES);
    for (; *name; name++)
        out[at++] = *name == '-' ? '_' : (char)toupper((unsigned char)*name);
    out[at] = '\0';
    return out;
}

static bool is_service_link(const char *text)
{
    return strncmp(text, "tcp://", 6) == 0 || strncmp(text, "udp://", 6) == 0 ||
           strncmp(text, "sctp://", 7) == 0;
}

const char *pn_option_environment(const char *name)
{
    char variable[NAME_BYTES];
    const char *text = getenv(variable_name(name, variable));

    if (!text || !*text)
        return NULL;
    if (!is_service_link(text))
        return text;
    pn_log(PN_LOG_WARNING, "%s=%s is a Kubernetes service link, not an option: ignored",
        variable, text);
    return NULL;
}

/* "a:b" is two values of a repeatable option. */
static enum pn_code set_list(const struct pn_option *o, const char *source,
    const char *text, void *into, struct pn_parsed *parsed, struct pn_error *err)
{
    enum pn_code code = PN_OK;

    while (code == PN_OK && *text) {
        size_t len = strcspn(text, ":");
        char *item = len > 0 ? pn_arena_strndup(&parsed->arena, text, len) : NULL;

        if (len > 0 && !item)
            return pn_fail(err, PN_EXHAUSTED, "%s: too long", source);
        if (item)
            code = set_value(o, source, item, into, parsed, err);
        text += len + (text[len] == ':');
    }
    return code;
}

static enum pn_code read_environment(const struct pn_option_table *t, void *into,
    struct pn_parsed *parsed, struct pn_error *err)
{
    enum pn_code code = PN_OK;

    for (size_t i = 0; code == PN_OK && i < t->n_options; i++) {
        const struct pn_option *o = &t->options[i];
        const char *text = pn_option_environment(o->name);
        char variable[NAME_BYTES];

        if (!text)
            continue;
        variable_name(o->name, variable);
        parsed->given[i] = true;
        code = o->kind == PN_OPTION_LIST ? set_list(o, variable, text, into, parsed, err)
                                         : set_value(o, variable, text, into, parsed, err);
    }
    return code;
}

/* ---- flags --------------------------------------------------------------------------------- */

static struct option long_option(const char *name, int has_arg, size_t val)
{
    return (struct option){.name = name, .has_arg = has_arg, .val = (int)val};
}

/* The table as getopt wants it, in the arena. */
static struct option *make_long(const struct pn_option_table *t, struct pn_parsed *parsed)
{
    size_t n = 2 * t->n_options + t->n_foreign + 2, at = 0;
    struct option *list = pn_arena_calloc(&parsed->arena, n, sizeof *list);

    if (!list)
        return NULL;
    for (size_t i = 0; i < t->n_options; i++) {
        const struct pn_option *o = &t->options[i];
        int has_arg = o->kind == PN_OPTION_BOOL ? optional_argument : required_argument;

        list[at++] = long_option(o->name, has_arg, VAL_OPTION + i);
        if (o->alias)
            list[at++] = long_option(o->alias, has_arg, VAL_OPTION + i);
    }
    for (size_t i = 0; i < t->n_foreign; i++)
        list[at++] = long_option(t->foreign[i].name,
            t->foreign[i].takes_value ? required_argument : optional_argument,
            VAL_FOREIGN + i);
    list[at] = long_option("help", no_argument, VAL_HELP);
    return list;
}

/* `--flag false` with a blank: getopt sees a lone word there. */
static const char *bool_text(int argc, char **argv)
{
    bool ignored;

    if (optarg)
        return optarg;
    if (optind < argc && parse_bool(argv[optind], &ignored) && strlen(argv[optind]) > 1)
        return argv[optind++];
    return "true";
}

static enum pn_code take_foreign(
    const struct pn_foreign_option *f, int argc, char **argv, struct pn_error *err)
{
    const char *text = f->takes_value ? optarg : bool_text(argc, argv);
    bool on = true;

    if (!f->takes_value)
        (void)!parse_bool(text, &on);
    if (f->refused && on)
        return pn_fail(err, PN_INVALID,
            "--%s is not supported, and ignoring it would weaken security: remove it",
            f->name);
    pn_log(PN_LOG_WARNING, "--%s is an option of Triton's that means nothing here: ignored",
        f->name);
    return PN_OK;
}

static enum pn_code take_option(const struct pn_option_table *t, size_t i, int argc,
    char **argv, void *into, struct pn_parsed *parsed, bool *flagged, struct pn_error *err)
{
    const struct pn_option *o = &t->options[i];
    const char *text = o->kind == PN_OPTION_BOOL ? bool_text(argc, argv) : optarg;
    char source[NAME_BYTES];

    if (o->kind == PN_OPTION_LIST && !flagged[i]) /* flags win over the environment's */
        *(struct pn_text_list *)(void *)((char *)into + o->offset) =
            (struct pn_text_list){0};
    flagged[i] = true;
    parsed->given[i] = true;
    snprintf(source, sizeof source, "--%s", o->name);
    return set_value(o, source, text, into, parsed, err);
}

static enum pn_code unknown_option(
    const struct pn_option_table *t, char **argv, struct pn_error *err)
{
    if (optopt > 0 && optopt < VAL_OPTION) /* a letter, perhaps amid others */
        return pn_fail(
            err, PN_INVALID, "unknown option -%c; see %s --help", optopt, t->command);
    return pn_fail(
        err, PN_INVALID, "unknown option %s; see %s --help", argv[optind - 1], t->command);
}

static enum pn_code read_flags(const struct pn_option_table *t, int argc, char **argv,
    void *into, struct pn_parsed *parsed, struct pn_error *err)
{
    struct option *list = make_long(t, parsed);
    bool flagged[PN_OPTIONS_MAX] = {false};
    enum pn_code code = PN_OK;
    int val;

    if (!list)
        return pn_fail(err, PN_EXHAUSTED, "%s: out of memory", t->command);
    opterr = 0;
    optind = 0; /* glibc: start anew */
    while (code == PN_OK && (val = getopt_long(argc, argv, ":h", list, NULL)) != -1) {
        if (val == 'h' || val == VAL_HELP) {
            parsed->help = true;
            return PN_OK;
        }
        if (val == ':')
            code = pn_fail(err, PN_INVALID, "option %s needs a value", argv[optind - 1]);
        else if (val == '?')
            code = unknown_option(t, argv, err);
        else if (val >= VAL_FOREIGN)
            code = take_foreign(&t->foreign[val - VAL_FOREIGN], argc, argv, err);
        else
            code = take_option(
                t, (size_t)(val - VAL_OPTION), argc, argv, into, parsed, flagged, err);
    }
    return code;
}

static enum pn_code take_arguments(
    int argc, char **argv, struct pn_parsed *parsed, struct pn_error *err)
{
    struct pn_text_list list = {0};

    for (int i = optind; i < argc; i++) {
        if (!list_add(parsed, &list, argv[i]))
            return pn_fail(err, PN_EXHAUSTED, "too many arguments");
    }
    parsed->arguments = list.items;
    parsed->n_arguments = list.n;
    return PN_OK;
}

enum pn_code pn_options_parse(const struct pn_option_table *table, int argc, char **argv,
    void *into, struct pn_parsed *parsed, struct pn_error *err)
{
    enum pn_code code;

    assert(table->n_options <= PN_OPTIONS_MAX);
    *parsed = (struct pn_parsed){0};
    pn_arena_init(&parsed->arena, ARENA_BLOCK_BYTES, ARENA_LIMIT_BYTES);
    code = set_defaults(table, into, parsed, err);
    if (code == PN_OK && table->environment)
        code = read_environment(table, into, parsed, err);
    if (code == PN_OK)
        code = read_flags(table, argc, argv, into, parsed, err);
    if (code == PN_OK && !parsed->help)
        code = take_arguments(argc, argv, parsed, err);
    return code;
}

void pn_parsed_fini(struct pn_parsed *parsed)
{
    pn_arena_fini(&parsed->arena);
    *parsed = (struct pn_parsed){0};
}

bool pn_option_given(
    const struct pn_option_table *table, const struct pn_parsed *parsed, const char *name)
{
    for (size_t i = 0; i < table->n_options; i++) {
        if (strcmp(table->options[i].name, name) == 0)
            return parsed->given[i];
    }
    assert(!"an option that is not in the table");
    return false;
}

/* ---- help ------------------------------------------------------------------------------------ */

static void help_option(const struct pn_option *o, struct pn_str *out)
{
    struct pn_str flag = {0};

    pn_str_printf(
        &flag, "--%s%s%s", o->name, o->value ? "=" : "", o->value ? o->value : "");
    pn_str_printf(out, "  %-34s %s", flag.failed ? o->name : flag.data, o->help);
    pn_str_fini(&flag);
    if (o->fallback && *o->fallback)
        pn_str_printf(out, " [%s]", o->fallback);
    if (o->alias)
        pn_str_printf(out, " (also --%s)", o->alias);
    pn_str_add(out, "\n", 1);
}

void pn_options_help(const struct pn_option_table *t, struct pn_str *out)
{
    char variable[NAME_BYTES];

    pn_str_printf(out, "usage: %s %s\n\n%s\n", t->command, t->usage, t->about);
    if (t->n_options > 0)
        pn_str_printf(out, "\noptions [default]:\n");
    for (size_t i = 0; i < t->n_options; i++)
        help_option(&t->options[i], out);
    pn_str_printf(out, "  %-34s %s\n", "-h, --help", "this text");
    if (t->environment)
        pn_str_printf(out,
            "\nEach option may also come from the environment, --%s as %s; the flag "
            "wins.\n",
            t->options[0].name, variable_name(t->options[0].name, variable));
}
