/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/descriptors.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 128 };

/* Field numbers of descriptor.proto. */
enum { SET_FILE = 1 };
enum {
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_DEPENDENCY = 3,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6
};
enum { MESSAGE_FIELD = 2, MESSAGE_NESTED = 3, MESSAGE_ENUM = 4, SERVICE_METHOD = 2 };
enum { ANY_NAME = 1 };

/* The next length-delimited field of @pb; our own descriptors' other fields are skipped. */
static bool next_sub(struct pn_pb *pb, uint32_t *field, struct pn_pb *sub)
{
    enum pn_pb_wire wire;

    while (pn_pb_next(pb, field, &wire)) {
        if (wire == PN_PB_LEN) {
            return pn_pb_message(pb, sub);
        }
        (void)pn_pb_skip(pb, wire);
    }
    return false;
}

/* The first string field @want of @pb as text, "" when absent. */
static void text_of(struct pn_pb pb, uint32_t want, char out[NAME_BYTES])
{
    struct pn_pb sub;
    uint32_t field;

    out[0] = '\0';
    while (next_sub(&pb, &field, &sub)) {
        if (field == want) {
            size_t len = sub.left < NAME_BYTES - 1 ? sub.left : NAME_BYTES - 1;
            (void)pn_pb_copy(&sub, out, len);
            out[len] = '\0';
            return;
        }
    }
}

static struct pn_pb cursor(const struct pn_span *span)
{
    struct pn_pb pb;

    pn_pb_init(&pb, span, 1);
    return pb;
}

void pn_wire_files_each(bool (*visit)(void *ctx, struct pn_span file), void *ctx)
{
    struct pn_span all = {pn_wire_files, pn_wire_files_bytes};
    struct pn_pb pb = cursor(&all), sub;
    uint32_t field;

    while (next_sub(&pb, &field, &sub)) {
        struct pn_span file = {NULL, sub.left};
        file.data = pn_pb_view(&sub, file.len);
        if (field == SET_FILE && !visit(ctx, file)) {
            return;
        }
    }
}

struct search {
    const char *name;
    struct pn_span found;
};

static bool is_named(void *ctx, struct pn_span file)
{
    struct search *s = ctx;
    char name[NAME_BYTES];

    text_of(cursor(&file), FILE_NAME, name);
    if (strcmp(name, s->name) == 0) {
        s->found = file;
    }
    return !s->found.data;
}

bool pn_wire_file_named(const char *name, struct pn_span *out)
{
    struct search s = {name, {NULL, 0}};

    pn_wire_files_each(is_named, &s);
    *out = s.found;
    return s.found.data != NULL;
}

/* If @symbol begins with the element's name, what follows: "" or after a dot. NULL if not. */
static const char *after_name(struct pn_pb element, const char *symbol)
{
    char name[NAME_BYTES];
    size_t len;

    text_of(element, ANY_NAME, name);
    len = strlen(name);
    if (len == 0 || strncmp(symbol, name, len) != 0) {
        return NULL;
    }
    if (symbol[len] == '.' && symbol[len + 1] != '\0') {
        return symbol + len + 1;
    }
    return symbol[len] == '\0' ? symbol + len : NULL;
}

/* Is @rest the name of one of the @want elements in @pb? */
static bool has_member(struct pn_pb pb, uint32_t want, const char *rest)
{
    struct pn_pb sub;
    uint32_t field;

    while (next_sub(&pb, &field, &sub)) {
        const char *left = field == want ? after_name(sub, rest) : NULL;
        if (left && left[0] == '\0') {
            return true;
        }
    }
    return false;
}

/* Depth is that of our own proto files. */
static bool message_defines(struct pn_pb message, const char *symbol)
{
    const char *rest = after_name(message, symbol);
    struct pn_pb pb = message, sub;
    uint32_t field;

    if (!rest || rest[0] == '\0') {
        return rest != NULL;
    }
    while (next_sub(&pb, &field, &sub)) {
        if (field == MESSAGE_NESTED && message_defines(sub, rest)) {
            return true;
        }
    }
    return has_member(message, MESSAGE_FIELD, rest) ||
           has_member(message, MESSAGE_ENUM, rest);
}

static bool service_defines(struct pn_pb service, const char *symbol)
{
    const char *rest = after_name(service, symbol);

    return rest && (rest[0] == '\0' || has_member(service, SERVICE_METHOD, rest));
}

static bool defines(void *ctx, struct pn_span file)
{
    struct search *s = ctx;
    char package[NAME_BYTES];
    struct pn_pb pb = cursor(&file), sub;
    size_t len;
    uint32_t field;
    bool found = false;

    text_of(pb, FILE_PACKAGE, package);
    len = strlen(package);
    if (strncmp(s->name, package, len) != 0 || s->name[len] != '.') {
        return true;
    }
    while (!found && next_sub(&pb, &field, &sub)) {
        const char *rest = s->name + len + 1, *left;
        if (field == FILE_MESSAGE) {
            found = message_defines(sub, rest);
        } else if (field == FILE_SERVICE) {
            found = service_defines(sub, rest);
        } else if (field == FILE_ENUM) {
            left = after_name(sub, rest);
            found = left && left[0] == '\0';
        }
    }
    if (found) {
        s->found = file;
    }
    return !found;
}

bool pn_wire_file_defining(const char *symbol, struct pn_span *out)
{
    struct search s = {symbol, {NULL, 0}};

    pn_wire_files_each(defines, &s);
    *out = s.found;
    return s.found.data != NULL;
}

void pn_wire_file_imports(
    struct pn_span file, void (*visit)(void *ctx, const char *name), void *ctx)
{
    struct pn_pb pb = cursor(&file), sub;
    uint32_t field;

    while (next_sub(&pb, &field, &sub)) {
        char name[NAME_BYTES] = "";
        if (field == FILE_DEPENDENCY && sub.left < sizeof name) {
            (void)pn_pb_copy(&sub, name, sub.left);
            visit(ctx, name);
        }
    }
}

void pn_wire_file_services(
    struct pn_span file, void (*visit)(void *ctx, const char *name), void *ctx)
{
    struct pn_pb pb = cursor(&file), sub;
    char package[NAME_BYTES], service[NAME_BYTES], full[2 * NAME_BYTES];
    uint32_t field;

    text_of(pb, FILE_PACKAGE, package);
    while (next_sub(&pb, &field, &sub)) {
        if (field == FILE_SERVICE) {
            text_of(sub, ANY_NAME, service);
            (void)snprintf(full, sizeof full, "%s.%s", package, service);
            visit(ctx, full);
        }
    }
}
