/* SPDX-License-Identifier: Apache-2.0
 *
 * ModelInferResponse: one head buffer with everything encoded, cut where a tensor's own
 * buffer goes in between.
 *
 *   head:   [names, shapes, tag+length of raw 0]            [tag+length of raw 1] …
 *   pieces: head[0..a)                       output 0 data   head[a..b)           output 1 … */
#include "base/mem.h"
#include "tensor/shape.h"
#include "wire/infer.h"
#include "wire/put.h"

#include <string.h>

static void put_output_body(struct pn_put *p, const struct pn_output *o)
{
    struct pn_put shape = {NULL, 0};

    pn_put_text(p, 1, o->name);
    pn_put_text(p, 2, pn_dtype_name(o->tensor.dtype));
    for (int i = 0; i < o->tensor.rank; i++) {
        pn_put_varint(&shape, (uint64_t)o->tensor.dims[i]);
    }
    if (o->tensor.rank == 0) {
        return;
    }
    pn_put_tag(p, 3, PN_PB_LEN);
    pn_put_varint(p, shape.len);
    for (int i = 0; i < o->tensor.rank; i++) {
        pn_put_varint(p, (uint64_t)o->tensor.dims[i]);
    }
}

static void put_output(struct pn_put *p, const struct pn_output *o)
{
    struct pn_put body = {NULL, 0};

    put_output_body(&body, o);
    pn_put_tag(p, 5, PN_PB_LEN);
    pn_put_varint(p, body.len);
    put_output_body(p, o);
}

static void put_strings(struct pn_put *p, const struct pn_tensor *t)
{
    const struct pn_bytes *elems = t->data;
    size_t n = pn_tensor_count(t);

    for (size_t i = 0; i < n; i++) {
        uint32_t len = (uint32_t)elems[i].len; /* checked by raw_bytes */
        pn_put_bytes(p, &len, sizeof len);
        pn_put_bytes(p, elems[i].data, elems[i].len);
    }
}

/* Bytes of an output on the wire. False when no message could carry them. */
static bool raw_bytes(const struct pn_tensor *t, size_t *out)
{
    const struct pn_bytes *elems = t->data;
    size_t n = pn_tensor_count(t), sum = 0;

    if (t->dtype != PN_BYTES) {
        *out = t->bytes;
        return t->bytes <= INT32_MAX;
    }
    for (size_t i = 0; i < n; i++) {
        if (elems[i].len > INT32_MAX || sum > INT32_MAX) {
            return false;
        }
        sum += 4 + elems[i].len;
    }
    *out = sum;
    return sum <= INT32_MAX;
}

struct writer {
    struct pn_wire_reply *reply;
    struct pn_put put;
    size_t cut; /* where the current piece of the head begins */
};

static void add_piece(
    struct writer *w, const uint8_t *data, size_t len, struct pn_buffer *owner)
{
    if (w->put.to && len) {
        struct pn_wire_piece *piece = &w->reply->pieces[w->reply->n_pieces++];
        *piece = (struct pn_wire_piece){data, len, owner};
        w->reply->bytes += len;
    }
}

static void end_piece(struct writer *w)
{
    if (w->put.to) {
        add_piece(w, w->put.to + w->cut, w->put.len - w->cut, w->reply->head);
    }
    w->cut = w->put.len;
}

static void put_raw(struct writer *w, const struct pn_output *o)
{
    size_t len = 0;

    (void)raw_bytes(&o->tensor, &len);
    pn_put_tag(&w->put, 6, PN_PB_LEN);
    pn_put_varint(&w->put, len);
    if (o->tensor.dtype == PN_BYTES) {
        put_strings(&w->put, &o->tensor);
    } else if (len) {
        end_piece(w);
        add_piece(w, o->tensor.data, len, o->buffer);
    }
}

static void put_all(struct writer *w, const char *id, const struct pn_response *r)
{
    pn_put_text(&w->put, 1, r->model);
    pn_put_text(&w->put, 2, r->version);
    pn_put_text(&w->put, 3, id);
    for (size_t i = 0; i < r->n_outputs; i++) {
        put_output(&w->put, &r->outputs[i]);
    }
    for (size_t i = 0; i < r->n_outputs; i++) {
        put_raw(w, &r->outputs[i]);
    }
    end_piece(w);
}

static enum pn_code check_size(
    const struct pn_response *r, size_t head, struct pn_error *err)
{
    size_t sum = head, len;

    for (size_t i = 0; i < r->n_outputs; i++) {
        if (!raw_bytes(&r->outputs[i].tensor, &len) || sum > INT32_MAX) {
            sum = SIZE_MAX;
            break;
        }
        sum += len;
    }
    if (sum > INT32_MAX) {
        return pn_fail(err, PN_EXHAUSTED,
            "model \"%.100s\": the reply is over 2 GiB, the most a gRPC message can carry; "
            "ask for fewer rows at a time",
            r->model);
    }
    return PN_OK;
}

enum pn_code pn_wire_infer_reply(const char *id, const struct pn_response *response,
    struct pn_arena *arena, struct pn_buffer_pool *pool, struct pn_wire_reply *out,
    struct pn_error *err)
{
    struct writer count = {out, {NULL, 0}, 0}, write = {out, {NULL, 0}, 0};
    struct pn_buffer *head;
    enum pn_code code;

    memset(out, 0, sizeof *out);
    code = check_size(response, 0, err);
    if (code != PN_OK) {
        return code;
    }
    put_all(&count, id, response);
    code = check_size(response, count.put.len, err);
    if (code != PN_OK) {
        return code;
    }
    out->pieces = pn_arena_calloc(arena, 2 * response->n_outputs + 1, sizeof *out->pieces);
    if (!out->pieces) {
        return pn_fail(
            err, PN_EXHAUSTED, "no memory for a reply of %zu outputs", response->n_outputs);
    }
    code = pn_buffer_pool_get(pool, count.put.len ? count.put.len : 1, &head, err);
    if (code != PN_OK) {
        return code;
    }
    out->head = head;
    write.put.to = head->data;
    put_all(&write, id, response);
    head->bytes = write.put.len;
    return PN_OK;
}
