/* SPDX-License-Identifier: Apache-2.0
 *
 * EmbeddingBag as exporters write it: a Loop that cuts ids, or rows, at offsets and reduces
 * each piece. It becomes one Bag (graph/fused.h); any other loop is left alone.
 *
 * What decides is where the loop's results come from, followed backwards node by node until
 * ids, rows, offsets and the reduction are known; a node that is not what it has to be there
 * ends the attempt. Two forms are known:
 *
 *     TorchScript   i = 0 .. len(E): scan Reduce(Gather(T, I[O[i] : E[i]]) [* W[..]]), E = O[1:]
 *     dynamo        i = 0 while i < len(O) - 1: append Reduce(D[O[i] : O[i + 1]]), or zeros
 *                   where both are equal, to a sequence that is concatenated afterwards
 *
 * An empty bag is zeros, as in torch; offsets that torch refuses fail the run. */
#include "onnx/loop_body.h"

#include "graph/fused.h"

#include <string.h>

/* A sequence: empty, or the rows that a bag made. */
struct pn_onnx_sequence {
    const char *name, *rows; /* NULL: empty */
    struct pn_onnx_sequence *next;
};

struct bag {
    const char *table, *ids, *offsets, *weights, *mode; /* ids, weights: "" for none */
};

/* The names that both patterns come back to. */
struct piece {
    const char *start, *end; /* of the slice */
};

static bool same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* @name = one operator of @type whose input 0 is @x. */
static bool is_of(const struct loop_body *b, const char *name, const char *type,
    const char *x, struct loop_step *s)
{
    return loop_made_by(b, name, type, s) && same(s->in[0], x);
}

/* Is @name a + @want, either way round? */
static bool is_sum(const struct loop_body *b, const char *name, const char *a, int64_t want)
{
    struct loop_step s;
    if (!loop_made_by(b, name, "Add", &s) || s.n_in != 2)
        return false;
    return (same(s.in[0], a) && loop_is_int(b, s.in[1], want)) ||
           (same(s.in[1], a) && loop_is_int(b, s.in[0], want));
}

/* Axes 0 and no other, as input 1 or attribute. */
static bool reduces_rows(const struct loop_body *b, const struct loop_step *s)
{
    if (s->n_in > 1)
        return s->n_in == 2 && loop_is_int(b, s->in[1], 0);
    for (size_t i = 0; i < s->n_attrs; i++) {
        const struct pn_attr *a = &s->attrs[i];
        if (same(a->name, "axes"))
            return a->kind == PN_ATTR_INTS && a->n == 1 && a->u.ints[0] == 0;
    }
    return false;
}

/* The reduction over axis 0 that makes @name; its mode. */
static const char *reduction(
    const struct loop_body *b, const char *name, int64_t keepdims, struct loop_step *s)
{
    static const char *const modes[][2] = {
        {"ReduceSum", "sum"}, {"ReduceMean", "mean"}, {"ReduceMax", "max"}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (loop_made_by(b, name, modes[i][0], s))
            return reduces_rows(b, s) && loop_int_attr(s, "keepdims", 1) == keepdims
                       ? modes[i][1]
                       : NULL;
    }
    return NULL;
}

/* @name = x[start : end] along axis 0. */
static bool slice(
    const struct loop_body *b, const char *name, const char **x, struct piece *p)
{
    struct loop_step s;
    if (!loop_made_by(b, name, "Slice", &s) || s.n_in < 3 ||
        (s.n_in > 3 && *s.in[3] && !loop_is_int(b, s.in[3], 0)) ||
        (s.n_in > 4 && *s.in[4] && !loop_is_int(b, s.in[4], 1)))
        return false;
    *x = s.in[0];
    *p = (struct piece){s.in[1], s.in[2]};
    return true;
}

static bool is_true(const struct loop_body *b, const char *name)
{
    const struct pn_tensor *t = loop_constant(b, name);
    return t && t->dtype == PN_BOOL && t->bytes == 1 && t->data &&
           *(const unsigned char *)t->data == 1;
}

/* A value that is 1-D, because it was reshaped to one size. */
static bool is_flat(const struct loop_body *b, const char *name)
{
    struct loop_step s;
    const struct pn_tensor *shape;
    if (!loop_made_by(b, name, "Reshape", &s) || s.n_in != 2)
        return false;
    shape = loop_constant(b, s.in[1]);
    return shape && shape->rank == 1 && shape->dims[0] == 1;
}

/* ---- TorchScript ----------------------------------------------------------------------- */

/* @name = [x[i]], i the number of the iteration. */
static bool element_of(const struct loop_body *b, const char *name, const char **x)
{
    struct loop_step un, gather;
    if (!loop_made_by(b, name, "Unsqueeze", &un) || un.n_in != 2 ||
        !loop_is_int(b, un.in[1], 0) || !loop_made_by(b, un.in[0], "Gather", &gather) ||
        gather.n_in != 2 || !same(gather.in[1], b->in[0]) ||
        loop_int_attr(&gather, "axis", 0) != 0)
        return false;
    *x = gather.in[0];
    return true;
}

/* @ends = offsets[1:], and @count = its length. */
static bool ends_of(
    const struct loop_body *b, const char *ends, const char *offsets, const char *count)
{
    struct loop_step gather, shape;
    struct piece p;
    const char *of;
    return slice(b, ends, &of, &p) && same(of, offsets) && loop_is_int(b, p.start, 1) &&
           loop_is_int(b, p.end, INT64_MAX) && loop_made_by(b, count, "Gather", &gather) &&
           gather.n_in == 2 && loop_is_int(b, gather.in[1], 0) &&
           is_of(b, gather.in[0], "Shape", ends, &shape) &&
           loop_int_attr(&shape, "start", 0) == 0 && loop_int_attr(&shape, "end", 1) == 1;
}

/* @name = W[start : end] as a column. */
static bool weights_of(const struct loop_body *b, const char *name,
    const struct piece *want, const char **weights)
{
    struct loop_step un;
    struct piece p;
    return loop_made_by(b, name, "Unsqueeze", &un) && un.n_in == 2 &&
           loop_is_int(b, un.in[1], 1) && slice(b, un.in[0], weights, &p) &&
           same(p.start, want->start) && same(p.end, want->end);
}

/* @name = rows of a table by a piece of the ids. */
static bool rows_of(
    const struct loop_body *b, const char *name, struct bag *bag, struct piece *p)
{
    struct loop_step gather;
    if (!loop_made_by(b, name, "Gather", &gather) || gather.n_in != 2 ||
        loop_int_attr(&gather, "axis", 0) != 0 || !slice(b, gather.in[1], &bag->ids, p))
        return false;
    bag->table = gather.in[0];
    return is_flat(b, bag->ids);
}

static bool script_bag(
    const struct loop_body *b, const struct pn_onnx_node *loop, struct bag *bag)
{
    struct loop_step cast, reduce, mul;
    struct piece p;
    const char *ends;
    *bag = (struct bag){.ids = "", .weights = ""};
    if (loop->n_in != 2 || loop->n_out != 1 || b->n_in != 2 || b->n_out != 2 ||
        !is_true(b, loop->in[1]) || !loop_made_by(b, b->out[0], "Cast", &cast) ||
        !is_true(b, cast.in[0]))
        return false;
    bag->mode = reduction(b, b->out[1], 0, &reduce);
    if (!bag->mode)
        return false;
    if (loop_made_by(b, reduce.in[0], "Mul", &mul)) {
        if (!rows_of(b, mul.in[0], bag, &p) || !weights_of(b, mul.in[1], &p, &bag->weights))
            return false;
    } else if (!rows_of(b, reduce.in[0], bag, &p)) {
        return false;
    }
    return element_of(b, p.start, &bag->offsets) && element_of(b, p.end, &ends) &&
           ends_of(b, ends, bag->offsets, loop->in[0]);
}

/* ---- dynamo ---------------------------------------------------------------------------- */

/* What the dynamo form's pieces need to know of each other. */
struct dynamo {
    const struct loop_body *body;
    const char *index, *count;          /* the number of the bag; how many there are */
    const char *offsets, *total, *flat; /* total = [len(flat)], the last offset */
    struct piece piece;
};

/* offsets = [starts.., total], count = len(starts). */
static bool offsets_of(struct dynamo *d)
{
    struct loop_step concat, size, shape, flat;
    const struct loop_body *b = d->body;
    if (!loop_made_by(b, d->offsets, "Concat", &concat) || concat.n_in != 2 ||
        !is_of(b, d->count, "Size", concat.in[0], &size))
        return false;
    d->total = concat.in[1];
    if (!loop_made_by(b, d->total, "Shape", &shape) || shape.n_attrs > 2 ||
        loop_int_attr(&shape, "start", 0) != 0 || loop_int_attr(&shape, "end", 1) != 1)
        return false;
    d->flat = shape.in[0];
    return is_flat(b, d->flat) && loop_made_by(b, d->flat, "Reshape", &flat);
}

/* @name = [O[index + step]] as O[k + step : k + step + 1], k the index as a 1-D tensor. */
static bool offset_at(const struct loop_body *b, const char *name, const char *k,
    int64_t step, const char **offsets)
{
    struct piece p;
    bool start;
    if (!slice(b, name, offsets, &p))
        return false;
    start = step == 0 ? same(p.start, k) : is_sum(b, p.start, k, step);
    return start && is_sum(b, p.end, k, step + 1);
}

static bool piece_of(struct dynamo *d)
{
    struct loop_step k;
    struct piece p;
    const char *x, *again;
    const struct loop_body *b = d->body;
    return slice(b, d->piece.start, &x, &p) && is_of(b, p.start, "Reshape", d->index, &k) &&
           k.n_in == 2 && loop_is_int(b, k.in[1], -1) &&
           offset_at(b, d->piece.start, p.start, 0, &d->offsets) &&
           offset_at(b, d->piece.end, p.start, 1, &again) && same(again, d->offsets);
}

/* Is @name the row in front of which no bag ends: index == count - 1? */
static bool is_last(const struct dynamo *d, const struct loop_body *b, const char *name)
{
    struct loop_step equal, sub;
    return is_of(b, name, "Equal", d->index, &equal) && equal.n_in == 2 &&
           is_of(b, equal.in[1], "Sub", d->count, &sub) && sub.n_in == 2 &&
           loop_is_int(b, sub.in[1], 1);
}

/* An If in @b with both branches of one output each. */
static bool branches(const struct loop_body *b, const char *name, struct loop_step *s,
    const struct loop_body **then, const struct loop_body **otherwise)
{
    if (!loop_made_by(b, name, "If", s) || !s->node || s->node->n.n_out != 1)
        return false;
    *then = s->node->then_branch;
    *otherwise = s->node->else_branch;
    return *then && *otherwise && (*then)->n_out == 1 && (*otherwise)->n_out == 1;
}

/* @name = D[start : end], the piece in work. */
static bool whole_piece(const struct dynamo *d, const struct loop_body *b, const char *name,
    const char *end, const char **rows)
{
    struct piece p;
    return slice(b, name, rows, &p) && same(p.start, d->piece.start) && same(p.end, end);
}

/* The last bag's mean: a sum through its length where that is above 0. */
static bool last_mean(const struct dynamo *d, const struct loop_body *b, const char **rows)
{
    struct loop_step either, sum, identity, div, cast, sub, shape, greater, flat;
    const struct loop_body *then, *otherwise;
    if (!branches(b, b->out[0], &either, &then, &otherwise) ||
        !loop_made_by(otherwise, otherwise->out[0], "Identity", &identity) ||
        !is_of(then, then->out[0], "Div", identity.in[0], &div) || div.n_in != 2 ||
        !loop_made_by(then, div.in[1], "Cast", &cast) ||
        !is_of(b, either.in[0], "Greater", cast.in[0], &greater) || greater.n_in != 2 ||
        !loop_is_int(b, greater.in[1], 0) || !loop_made_by(b, cast.in[0], "Sub", &sub) ||
        sub.n_in != 2 || !same(sub.in[1], d->piece.start) ||
        !loop_made_by(b, sub.in[0], "Shape", &shape) ||
        loop_int_attr(&shape, "start", 0) != 0 || loop_int_attr(&shape, "end", 1) != 1)
        return false;
    if (!same(shape.in[0], d->flat) &&
        !(is_of(b, d->flat, "Reshape", shape.in[0], &flat) && is_flat(b, shape.in[0])))
        return false;
    const char *mode = reduction(b, identity.in[0], 1, &sum);
    return mode && same(mode, "sum") && whole_piece(d, b, sum.in[0], d->piece.end, rows);
}

/* What a bag with rows in it appends. */
static bool pooled(const struct dynamo *d, const struct loop_body *b, struct bag *bag)
{
    struct loop_step reduce, either;
    const struct loop_body *then, *otherwise;
    const char *again;
    bag->mode = reduction(b, b->out[0], 1, &reduce);
    if (bag->mode && whole_piece(d, b, reduce.in[0], d->piece.end, &bag->table))
        return true;
    if (bag->mode) /* the last piece is cut at the total, which is the last offset */
        return branches(b, reduce.in[0], &either, &then, &otherwise) &&
               is_last(d, b, either.in[0]) &&
               whole_piece(d, then, then->out[0], d->total, &bag->table) &&
               whole_piece(d, otherwise, otherwise->out[0], d->piece.end, &again) &&
               same(again, bag->table);
    if (!branches(b, b->out[0], &either, &then, &otherwise) || !is_last(d, b, either.in[0]))
        return false;
    bag->mode = reduction(otherwise, otherwise->out[0], 1, &reduce);
    return bag->mode && same(bag->mode, "mean") && last_mean(d, then, &bag->table) &&
           whole_piece(d, otherwise, reduce.in[0], d->piece.end, &again) &&
           same(again, bag->table);
}

static bool all_zeros(const struct loop_body *b, const char *name)
{
    const struct pn_tensor *t = loop_constant(b, name);
    if (!t || t->dtype != PN_FP32 || t->rank != 2 || t->dims[0] != 1 || !t->data)
        return false;
    for (size_t i = 0; i < t->bytes; i++) {
        if (((const unsigned char *)t->data)[i] != 0)
            return false;
    }
    return true;
}

static bool dynamo_bag(
    const struct loop_body *b, const struct pn_onnx_node *loop, struct bag *bag)
{
    struct dynamo d = {.body = b};
    struct loop_step less, first, insert, either, equal;
    const struct loop_body *then, *otherwise;
    *bag = (struct bag){.ids = "", .weights = ""};
    if (loop->n_in != 4 || *loop->in[0] || loop->n_out != 2 || b->n_in != 4 ||
        b->n_out != 3 || !loop_is_int(b, loop->in[2], 0))
        return false;
    d.index = b->in[2];
    if (!is_sum(b, b->out[1], d.index, 1) ||
        !is_of(b, b->out[0], "Less", b->out[1], &less) || less.n_in != 2)
        return false;
    d.count = less.in[1];
    if (!loop_made_by(b, loop->in[1], "Less", &first) || first.n_in != 2 ||
        !loop_is_int(b, first.in[0], 0) || !same(first.in[1], d.count) ||
        !is_of(b, b->out[2], "SequenceInsert", b->in[3], &insert) || insert.n_in != 2 ||
        !branches(b, insert.in[1], &either, &then, &otherwise) ||
        !loop_made_by(b, either.in[0], "Equal", &equal) || equal.n_in != 2)
        return false;
    d.piece = (struct piece){equal.in[0], equal.in[1]};
    if (!all_zeros(then, then->out[0]) || !piece_of(&d) || !offsets_of(&d))
        return false;
    bag->offsets = d.offsets;
    return pooled(&d, otherwise, bag);
}

/* ---- the reader's side ----------------------------------------------------------------- */

static struct pn_onnx_sequence *sequence_of(struct pn_onnx_reader *r, const char *name)
{
    for (struct pn_onnx_sequence *s = r->sequences; s; s = s->next) {
        if (same(s->name, name))
            return s;
    }
    return NULL;
}

static enum pn_code keep_sequence(
    struct pn_onnx_reader *r, const char *name, const char *rows, struct pn_error *err)
{
    struct pn_onnx_sequence *s = pn_arena_calloc(r->arena, 1, sizeof *s);
    if (!s)
        return pn_fail(err, PN_EXHAUSTED, "no memory for sequence \"%s\"", name);
    *s = (struct pn_onnx_sequence){name, rows, r->sequences};
    r->sequences = s;
    return PN_OK;
}

static enum pn_code emit(struct pn_onnx_reader *r, const struct pn_onnx_node *loop,
    const struct bag *bag, const char *out, struct pn_error *err)
{
    const char **in = pn_arena_calloc(r->arena, 4, sizeof *in);
    struct pn_bytes *mode = pn_arena_calloc(r->arena, 1, sizeof *mode);
    struct pn_attr *attr = pn_arena_calloc(r->arena, 1, sizeof *attr);
    if (!in || !mode || !attr || !out)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a bag");
    in[0] = bag->table;
    in[1] = bag->ids;
    in[2] = bag->offsets;
    in[3] = bag->weights;
    *mode = (struct pn_bytes){bag->mode, strlen(bag->mode)};
    *attr =
        (struct pn_attr){.name = "mode", .kind = PN_ATTR_STRING, .n = 1, .u.strings = mode};
    struct pn_onnx_node n = {.domain = PN_FUSED_DOMAIN,
        .type = PN_FUSED_BAG,
        .name = loop->name,
        .in = in,
        .n_in = *bag->weights ? 4 : 3,
        .out = &out,
        .n_out = 1,
        .attrs = attr,
        .n_attrs = 1};
    return pn_onnx_emit(r, &n, err);
}

static enum pn_code take_loop(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb message, const struct pn_onnx_node *n, bool *taken, struct pn_error *err)
{
    const struct loop_body *body;
    struct bag bag;
    enum pn_code code = loop_body_read(r, scope, message, "body", NULL, 0, &body, err);
    if (code != PN_OK || !body)
        return code;
    *taken = script_bag(body, n, &bag);
    if (*taken)
        return emit(r, n, &bag, n->out[0], err);
    const struct pn_onnx_sequence *empty = n->n_in == 4 ? sequence_of(r, n->in[3]) : NULL;
    *taken = empty && !empty->rows && dynamo_bag(body, n, &bag);
    if (!*taken)
        return pn_fail(err, PN_UNIMPLEMENTED,
            "only the Loop of torch's EmbeddingBag without padding_idx is");
    const char *rows = pn_onnx_made_name(r, n->out[1], "rows");
    code = emit(r, n, &bag, rows, err);
    return code == PN_OK ? keep_sequence(r, n->out[1], rows, err) : code;
}

/* A sequence of rows [1, w] put together along axis 0 is the bag's result. */
static enum pn_code take_concat(struct pn_onnx_reader *r, const struct pn_onnx_node *n,
    bool *taken, struct pn_error *err)
{
    const struct pn_onnx_sequence *s =
        n->n_in == 1 && n->n_out == 1 ? sequence_of(r, n->in[0]) : NULL;
    const struct loop_step as_step = {.attrs = n->attrs, .n_attrs = n->n_attrs};
    *taken = s && s->rows && loop_int_attr(&as_step, "axis", 0) == 0 &&
             loop_int_attr(&as_step, "new_axis", 0) == 0;
    if (!*taken)
        return PN_OK;
    const char *in[] = {s->rows};
    struct pn_onnx_node identity = {.domain = "",
        .type = "Identity",
        .name = n->name,
        .in = in,
        .n_in = 1,
        .out = n->out,
        .n_out = 1};
    return pn_onnx_emit(r, &identity, err);
}

enum pn_code pn_onnx_bag(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb message, const struct pn_onnx_node *n, bool *taken, struct pn_error *err)
{
    *taken = false;
    if (*n->domain)
        return PN_OK;
    if (same(n->type, "Loop"))
        return take_loop(r, scope, message, n, taken, err);
    if (same(n->type, "ConcatFromSequence"))
        return take_concat(r, n, taken, err);
    if (!same(n->type, "SequenceEmpty") || n->n_out != 1)
        return PN_OK;
    *taken = true; /* a loop that is no bag is refused by its own name */
    return keep_sequence(r, n->out[0], NULL, err);
}
