/* SPDX-License-Identifier: Apache-2.0
 *
 * One question of server reflection, one answer.
 * Source: gRPC server reflection protocol (reflection.proto). */
#include "reflection_v1.pb-c.h"
#include "wire/descriptors.h"
#include "wire/pack.h"
#include "wire/small.h"

#include <stdio.h>
#include <string.h>

enum { MAX_SERVICES = 16, MAX_FILES = 8, GRPC_NOT_FOUND = 5, GRPC_UNIMPLEMENTED = 12 };

typedef Grpc__Reflection__V1__ServerReflectionRequest question;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer;

/* The request's fields, in the order of enum asked. */
enum asked { ASK_HOST, ASK_FILE, ASK_SYMBOL, ASK_EXTENSIONS, ASK_SERVICES, ASK_COUNT };

static const struct pn_wire_field request_fields[ASK_COUNT] = {
    [ASK_HOST] = {1, "host", "", 0},
    [ASK_FILE] = {3, "file_by_filename", "", 0},
    [ASK_SYMBOL] = {4, "file_containing_symbol", "", 0},
    [ASK_EXTENSIONS] = {6, "all_extension_numbers_of_type", "", 0},
    [ASK_SERVICES] = {7, "list_services", "", 0},
};

/* ---- building answers ----------------------------------------------------------------- */

static enum pn_code answer_error(struct pn_arena *arena, answer *a, int code,
    const char *text, struct pn_span *out, struct pn_error *err)
{
    Grpc__Reflection__V1__ErrorResponse e = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;

    e.error_code = code;
    e.error_message = pn_wire_pack_text(text);
    a->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    a->error_response = &e;
    return pn_wire_pack(arena, &a->base, out, err);
}

struct services {
    struct pn_arena *arena;
    Grpc__Reflection__V1__ServiceResponse one[MAX_SERVICES], *all[MAX_SERVICES];
    size_t n;
    bool failed;
};

static void add_service(void *ctx, const char *name)
{
    struct services *s = ctx;

    if (s->n == MAX_SERVICES) {
        s->failed = true;
        return;
    }
    grpc__reflection__v1__service_response__init(&s->one[s->n]);
    s->one[s->n].name = pn_arena_strndup(s->arena, name, strlen(name));
    s->failed = s->failed || !s->one[s->n].name;
    s->all[s->n] = &s->one[s->n];
    s->n++;
}

static bool add_services_of(void *ctx, struct pn_span file)
{
    pn_wire_file_services(file, add_service, ctx);
    return true;
}

static enum pn_code answer_services(
    struct pn_arena *arena, answer *a, struct pn_span *out, struct pn_error *err)
{
    Grpc__Reflection__V1__ListServiceResponse list =
        GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    struct services s = {.arena = arena};

    pn_wire_files_each(add_services_of, &s);
    if (s.failed) {
        return pn_wire_no_room(arena, err);
    }
    list.n_service = s.n;
    list.service = s.all;
    a->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    a->list_services_response = &list;
    return pn_wire_pack(arena, &a->base, out, err);
}

struct files {
    struct pn_span all[MAX_FILES];
    size_t n;
};

static void add_file(struct files *f, struct pn_span file)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->all[i].data == file.data) {
            return;
        }
    }
    if (f->n < MAX_FILES) {
        f->all[f->n++] = file;
    }
}

static void add_import(void *ctx, const char *name)
{
    struct pn_span file;

    if (pn_wire_file_named(name, &file)) {
        add_file(ctx, file);
    }
}

/* The file and all that it imports, so that a client need not ask again. */
static enum pn_code answer_file(struct pn_arena *arena, answer *a, struct pn_span file,
    struct pn_span *out, struct pn_error *err)
{
    Grpc__Reflection__V1__FileDescriptorResponse r =
        GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    ProtobufCBinaryData bytes[MAX_FILES];
    struct files f = {.n = 0};

    add_file(&f, file);
    for (size_t i = 0; i < f.n; i++) {
        union {
            const uint8_t *in;
            uint8_t *out;
        } cast = {f.all[i].data}; /* packing only reads */
        pn_wire_file_imports(f.all[i], add_import, &f);
        bytes[i] = (ProtobufCBinaryData){f.all[i].len, cast.out};
    }
    r.n_file_descriptor_proto = f.n;
    r.file_descriptor_proto = bytes;
    a->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    a->file_descriptor_response = &r;
    return pn_wire_pack(arena, &a->base, out, err);
}

/* ---- the question --------------------------------------------------------------------- */

/* Which member of the oneof was set last; ASK_HOST when none was. */
static enum asked which(const struct pn_wire_field fields[ASK_COUNT])
{
    int last = ASK_HOST;
    unsigned order = 0;

    for (int i = ASK_FILE; i < ASK_COUNT; i++) {
        if (fields[i].order > order) {
            order = fields[i].order;
            last = i;
        }
    }
    return (enum asked)last;
}

static void echo(
    const struct pn_wire_field fields[ASK_COUNT], enum asked asked, question *q)
{
    char *text = pn_wire_pack_text(fields[asked].text);

    q->host = pn_wire_pack_text(fields[ASK_HOST].text);
    switch (asked) {
    case ASK_FILE:
        q->message_request_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME;
        q->file_by_filename = text;
        break;
    case ASK_SYMBOL:
        q->message_request_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL;
        q->file_containing_symbol = text;
        break;
    case ASK_EXTENSIONS:
        q->message_request_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE;
        q->all_extension_numbers_of_type = text;
        break;
    case ASK_SERVICES:
        q->message_request_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES;
        q->list_services = text;
        break;
    default:
        break;
    }
}

/* How many bytes of @text, at most @most, do not end inside a letter: half of one would make
 * the answer a message that clients refuse to read. */
static int whole_letters(const char *text, int most)
{
    int len = (int)strnlen(text, (size_t)most + 1);

    if (len <= most) {
        return len;
    }
    while (most > 0 && ((unsigned char)text[most] & 0xC0) == 0x80) {
        most--;
    }
    return most;
}

enum pn_code pn_wire_reflection_answer(struct pn_arena *arena, const struct pn_span *spans,
    size_t n_spans, struct pn_span *out, struct pn_error *err)
{
    struct pn_wire_field fields[ASK_COUNT];
    question q = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    answer a = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    struct pn_span file;
    char text[160];
    enum asked asked;
    bool found;

    memcpy(fields, request_fields, sizeof fields);
    if (pn_wire_fields_read(spans, n_spans, arena, fields, ASK_COUNT, err) != PN_OK) {
        return err ? err->code : PN_INVALID;
    }
    asked = which(fields);
    echo(fields, asked, &q);
    a.valid_host = q.host;
    a.original_request = &q;
    switch (asked) {
    case ASK_SERVICES:
        return answer_services(arena, &a, out, err);
    case ASK_FILE:
        found = pn_wire_file_named(fields[asked].text, &file);
        break;
    case ASK_SYMBOL:
        found = pn_wire_file_defining(fields[asked].text, &file);
        break;
    case ASK_EXTENSIONS:
        found = false;
        break;
    default:
        return answer_error(arena, &a, GRPC_UNIMPLEMENTED,
            "the protocols of this server have no extensions", out, err);
    }
    if (found) {
        return answer_file(arena, &a, file, out, err);
    }
    (void)snprintf(text, sizeof text, "%s \"%.*s\" is not known to this server",
        fields[asked].name, whole_letters(fields[asked].text, 100), fields[asked].text);
    return answer_error(arena, &a, GRPC_NOT_FOUND, text, out, err);
}
