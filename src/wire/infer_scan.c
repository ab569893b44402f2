/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole ModelInferRequest, in two walks: count (nothing allocated), then collect. */
#include "base/mem.h"
#include "wire/plan.h"
#include "wire/text.h"

#include <string.h>

/* What the first walk saw. */
struct tally {
    struct pn_pb model, version, id; /* the last of each */
    size_t n_params, n_inputs, n_outputs, n_raw;
};

static bool tally_field(
    struct pn_pb *pb, uint32_t field, enum pn_pb_wire wire, struct tally *seen)
{
    struct pn_pb sub;

    switch (field) {
    case 1:
        return pn_wire_sub(pb, wire, &seen->model);
    case 2:
        return pn_wire_sub(pb, wire, &seen->version);
    case 3:
        return pn_wire_sub(pb, wire, &seen->id);
    case 4:
        seen->n_params++;
        return pn_wire_sub(pb, wire, &sub);
    case 5:
        seen->n_inputs++;
        return pn_wire_sub(pb, wire, &sub);
    case 6:
        seen->n_outputs++;
        return pn_wire_sub(pb, wire, &sub);
    case 7:
        seen->n_raw++;
        return pn_wire_sub(pb, wire, &sub);
    default:
        return pn_pb_skip(pb, wire);
    }
}

static enum pn_code tally_all(struct pn_pb pb, struct tally *seen, struct pn_error *err)
{
    enum pn_pb_wire wire;
    uint32_t field;

    memset(seen, 0, sizeof *seen);
    while (pn_pb_next(&pb, &field, &wire)) {
        if (!tally_field(&pb, field, wire, seen)) {
            break;
        }
    }
    return pb.bad ? pn_wire_malformed(&pb, err) : PN_OK;
}

static enum pn_code check_count(
    const char *what, size_t n, size_t max, struct pn_error *err)
{
    if (n > max) {
        return pn_fail(
            err, PN_INVALID, "%zu %s; a request may have at most %zu", n, what, max);
    }
    return PN_OK;
}

static enum pn_code check_tally(const struct tally *seen, struct pn_error *err)
{
    if (check_count("inputs", seen->n_inputs, PN_WIRE_MAX_INPUTS, err) != PN_OK ||
        check_count("outputs", seen->n_outputs, PN_WIRE_MAX_OUTPUTS, err) != PN_OK ||
        check_count("parameters", seen->n_params, PN_WIRE_MAX_PARAMS, err) != PN_OK) {
        return PN_INVALID;
    }
    if (seen->n_raw && seen->n_raw != seen->n_inputs) {
        return pn_fail(err, PN_INVALID,
            "%zu raw_input_contents for %zu inputs; expected one for each", seen->n_raw,
            seen->n_inputs);
    }
    return PN_OK;
}

static enum pn_code read_names(const struct tally *seen, struct pn_arena *arena,
    struct pn_request *request, struct pn_error *err)
{
    enum pn_code code = pn_wire_text(
        seen->model, arena, PN_WIRE_MAX_NAME_BYTES, "model_name", &request->model, err);

    if (code == PN_OK) {
        code = pn_wire_text(seen->version, arena, PN_WIRE_MAX_NAME_BYTES, "model_version",
            &request->version, err);
    }
    if (code == PN_OK) {
        code =
            pn_wire_text(seen->id, arena, PN_WIRE_MAX_NAME_BYTES, "id", &request->id, err);
    }
    return code;
}

/* The arrays of the second walk. */
struct collect {
    struct pn_arena *arena;
    struct pn_wire_input *plans;
    struct pn_input *inputs;
    struct pn_param *params;
    const char **wanted;
    size_t n_inputs, n_params, n_wanted, n_raw;
};

static enum pn_code collect_open(struct collect *c, const struct tally *seen,
    struct pn_arena *arena, struct pn_error *err)
{
    memset(c, 0, sizeof *c);
    c->arena = arena;
    c->plans = pn_arena_calloc(arena, seen->n_inputs, sizeof *c->plans);
    c->inputs = pn_arena_calloc(arena, seen->n_inputs, sizeof *c->inputs);
    c->params = pn_arena_calloc(arena, seen->n_params, sizeof *c->params);
    c->wanted = pn_arena_calloc(arena, seen->n_outputs, sizeof *c->wanted);
    if (!c->plans || !c->inputs || !c->params || !c->wanted) {
        return pn_fail(err, PN_EXHAUSTED,
            "names and parameters take more than the %zu bytes a request may use for them",
            arena->limit_bytes);
    }
    return PN_OK;
}

static enum pn_code read_wanted(
    struct pn_pb pb, struct pn_arena *arena, const char **out, struct pn_error *err)
{
    struct pn_pb name, sub;
    enum pn_pb_wire wire;
    uint32_t field;
    enum pn_code code, named;

    pn_pb_init(&name, NULL, 0);
    code = PN_OK;
    while (code == PN_OK && pn_pb_next(&pb, &field, &wire)) {
        bool ok = true;
        if (field == 1) {
            ok = pn_wire_sub(&pb, wire, &name);
        } else if (field == 2) {
            ok = pn_wire_sub(&pb, wire, &sub);
            code = ok ? pn_wire_param_check(sub, err) : PN_OK;
        } else {
            ok = pn_pb_skip(&pb, wire);
        }
        if (!ok) {
            return pn_wire_malformed(&pb, err);
        }
    }
    if (pb.bad) {
        return pn_wire_malformed(&pb, err);
    }
    named = pn_wire_text(name, arena, PN_WIRE_MAX_NAME_BYTES, "an output's name", out,
        code == PN_OK ? err : NULL);
    return code == PN_OK ? named : code;
}

static enum pn_code collect_field(
    struct collect *c, uint32_t field, struct pn_pb sub, struct pn_error *err)
{
    enum pn_code code = PN_OK;
    size_t i;

    switch (field) {
    case 4:
        return pn_wire_param_read(sub, c->arena, c->params, &c->n_params, err);
    case 5:
        i = c->n_inputs++;
        c->plans[i].body = sub;
        return pn_wire_input_scan(&c->plans[i], i, c->arena, &c->inputs[i], err);
    case 6:
        i = c->n_wanted++;
        code = read_wanted(sub, c->arena, &c->wanted[i], err);
        return code == PN_OK ? PN_OK : pn_wrap(err, "output \"%.100s\"", c->wanted[i]);
    case 7:
        c->plans[c->n_raw++].raw = sub;
        return PN_OK;
    default:
        return PN_OK;
    }
}

static enum pn_code collect_all(struct collect *c, struct pn_pb pb, struct pn_error *err)
{
    enum pn_pb_wire wire;
    uint32_t field;

    while (pn_pb_next(&pb, &field, &wire)) {
        struct pn_pb sub;
        if (wire != PN_PB_LEN) {
            (void)pn_pb_skip(&pb, wire); /* the first walk has seen that it can */
            continue;
        }
        if (!pn_pb_message(&pb, &sub)) {
            break;
        }
        if (collect_field(c, field, sub, err) != PN_OK) {
            return err->code;
        }
    }
    return pb.bad ? pn_wire_malformed(&pb, err) : PN_OK;
}

static enum pn_code size_inputs(
    struct pn_wire_infer *out, const struct pn_input *inputs, struct pn_error *err)
{
    for (size_t i = 0; i < out->n_inputs; i++) {
        if (pn_wire_input_size(out, &out->inputs[i], &inputs[i].tensor, err) != PN_OK) {
            return pn_wrap(err, "input \"%.100s\"", inputs[i].name);
        }
    }
    return PN_OK;
}

static void hand_over(
    const struct collect *c, struct pn_wire_infer *out, struct pn_request *request)
{
    out->inputs = c->plans;
    out->n_inputs = c->n_inputs;
    out->raw = c->n_raw != 0;
    request->inputs = c->inputs;
    request->n_inputs = c->n_inputs;
    request->params = c->params;
    request->n_params = c->n_params;
    request->wanted = c->wanted;
    request->n_wanted = c->n_wanted;
}

static enum pn_code scan(struct pn_pb pb, struct pn_arena *arena, struct pn_wire_infer *out,
    struct pn_request *request, struct pn_error *err)
{
    struct tally seen;
    struct collect c;

    if (tally_all(pb, &seen, err) != PN_OK ||
        read_names(&seen, arena, request, err) != PN_OK ||
        check_tally(&seen, err) != PN_OK || collect_open(&c, &seen, arena, err) != PN_OK ||
        collect_all(&c, pb, err) != PN_OK) {
        return err->code;
    }
    hand_over(&c, out, request);
    return size_inputs(out, c.inputs, err);
}

enum pn_code pn_wire_infer_scan(const struct pn_span *spans, size_t n,
    struct pn_arena *arena, struct pn_wire_infer *out, struct pn_request *request,
    struct pn_error *err)
{
    struct pn_error local = {0};
    struct pn_pb pb;
    enum pn_code code;

    memset(out, 0, sizeof *out);
    request->model = request->version = request->id = "";
    request->inputs = NULL;
    request->params = NULL;
    request->wanted = NULL;
    request->n_inputs = request->n_params = request->n_wanted = 0;
    err = err ? err : &local;
    pn_pb_init(&pb, spans, n);
    code = scan(pb, arena, out, request, err);
    if (code != PN_OK) {
        memset(out, 0, sizeof *out);
        return pn_wrap(err, "model \"%.100s\"", request->model);
    }
    return PN_OK;
}
