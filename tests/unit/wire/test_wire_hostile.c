/* SPDX-License-Identifier: Apache-2.0
 *
 * Truncation at every byte, mutations with protobuf-c as the judge, and replies read back. */
#include "unit/wire/sample.h"

/* ---- hostile bytes -------------------------------------------------------------------- */

/* A request with something in every field. */
static size_t rich_message(uint8_t *out)
{
    uint8_t input[256], entry[64], value[16];
    struct pn_put pi = {input, 0}, pe = {entry, 0}, pv = {value, 0}, all = {out, 0};
    float data[6] = {1, 2, 3, 4, 5, 6};
    const uint8_t dims[] = {2, 3};

    pn_put_text(&all, 1, "model");
    pn_put_text(&all, 2, "3");
    pn_put_text(&all, 3, "id-1");
    pn_put_text(&pv, 3, "text");
    pn_put_text(&pe, 1, "key");
    put_sub(&pe, 2, value, pv.len);
    put_sub(&all, 4, entry, pe.len);
    pn_put_text(&pi, 1, "x");
    pn_put_text(&pi, 2, "FP32");
    put_sub(&pi, 3, dims, 2);
    put_sub(&pi, 4, entry, pe.len);
    put_sub(&all, 5, input, pi.len);
    put_sub(&all, 6, entry, 5);
    pn_put_tag(&all, 99, PN_PB_VARINT);
    pn_put_varint(&all, 300);
    put_sub(&all, 7, (const uint8_t *)data, sizeof data);
    return all.len;
}

START_TEST(truncation_at_every_byte)
{
    uint8_t message[1024];
    size_t len = rich_message(message);

    ck_assert_int_eq(read_bytes(message, len), PN_OK);
    ck_assert_str_eq(request.wanted[0], "key");
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *exact = malloc(cut + 1);
        enum pn_code code;
        memcpy(exact, message, cut);
        code = read_bytes(exact, cut);
        ck_assert(code == PN_OK || (code == PN_INVALID && err.msg[0]));
        ck_assert_int_eq(read_scattered(exact, cut), code);
        free(exact);
    }
}
END_TEST

/* What we accept, protobuf-c reads too, and with the same meaning. */
static void compare_with_protobuf_c(const uint8_t *bytes, size_t len)
{
    infer_request *judge = inference__model_infer_request__unpack(NULL, len, bytes);

    ck_assert_ptr_nonnull(judge);
    ck_assert_str_eq(request.model, judge->model_name);
    ck_assert_str_eq(request.version, judge->model_version);
    ck_assert_str_eq(request.id, judge->id);
    ck_assert_uint_eq(request.n_inputs, judge->n_inputs);
    ck_assert_uint_eq(request.n_wanted, judge->n_outputs);
    for (size_t i = 0; i < request.n_inputs; i++) {
        const struct pn_tensor *t = &request.inputs[i].tensor;
        ck_assert_str_eq(request.inputs[i].name, judge->inputs[i]->name);
        ck_assert_str_eq(pn_dtype_name(t->dtype), judge->inputs[i]->datatype);
        ck_assert_uint_eq((size_t)t->rank, judge->inputs[i]->n_shape);
        ck_assert(t->rank == 0 ||
                  memcmp(t->dims, judge->inputs[i]->shape, (size_t)t->rank * 8) == 0);
        if (judge->n_raw_input_contents && t->dtype != PN_BYTES && t->bytes) {
            ck_assert_mem_eq(t->data, judge->raw_input_contents[i].data, t->bytes);
        }
    }
    inference__model_infer_request__free_unpacked(judge, NULL);
}

START_TEST(mutations_agree_with_protobuf_c)
{
    uint8_t good[1024], bytes[1024];
    size_t len = rich_message(good), accepted = 0;

    srand(7);
    for (int round = 0; round < 20000; round++) {
        int changes = 1 + rand() % 3;
        memcpy(bytes, good, len);
        for (int i = 0; i < changes; i++) {
            bytes[(size_t)rand() % len] = (uint8_t)rand();
        }
        if (read_bytes(bytes, len) == PN_OK) {
            accepted++;
            compare_with_protobuf_c(bytes, len);
        } else {
            ck_assert_uint_gt(strlen(err.msg), 10);
        }
    }
    ck_assert_uint_gt(accepted, 100); /* or the comparison says nothing */
}
END_TEST

/* ---- replies -------------------------------------------------------------------------- */

static uint8_t *join(const struct pn_wire_reply *r)
{
    uint8_t *all = malloc(r->bytes + 1);
    size_t at = 0;

    for (size_t i = 0; i < r->n_pieces; i++) {
        memcpy(all + at, r->pieces[i].data, r->pieces[i].len);
        at += r->pieces[i].len;
    }
    ck_assert_uint_eq(at, r->bytes);
    return all;
}

START_TEST(reply_reads_back)
{
    struct pn_buffer_pool *pool;
    struct pn_buffer *data;
    struct pn_bytes strings[2] = {{"ab", 2}, {"", 0}};
    struct pn_output outputs[] = {
        {"f", {PN_FP32, 2, {2, 300}, NULL, 2400}, NULL},
        {"s", {PN_BYTES, 1, {2}, strings, sizeof strings}, NULL},
        {"none", {PN_INT64, 1, {0}, NULL, 0}, NULL},
        {"scalar", {PN_FP64, 0, {0}, NULL, 8}, NULL},
    };
    struct pn_response response = {.message = "",
        .model = "mod",
        .version = "12",
        .outputs = outputs,
        .n_outputs = 4,
        .final = true};
    struct pn_wire_reply reply;
    Inference__ModelInferResponse *got;
    uint8_t *bytes;

    ck_assert_int_eq(pn_buffer_pool_open(1 << 20, &pool, &err), PN_OK);
    ck_assert_int_eq(pn_buffer_pool_get(pool, 2400, &data, &err), PN_OK);
    memset(data->data, 0x5A, 2400);
    outputs[0].buffer = outputs[3].buffer = data;
    outputs[0].tensor.data = outputs[3].tensor.data = data->data;
    ck_assert_int_eq(
        pn_wire_infer_reply("id", &response, &arena, pool, &reply, &err), PN_OK);
    ck_assert_uint_eq(reply.n_pieces, 4);
    ck_assert_ptr_eq(reply.pieces[1].data, data->data); /* not copied */
    ck_assert_ptr_eq(reply.pieces[1].owner, data);
    bytes = join(&reply);
    got = inference__model_infer_response__unpack(NULL, reply.bytes, bytes);
    ck_assert_ptr_nonnull(got);
    ck_assert_str_eq(got->model_name, "mod");
    ck_assert_str_eq(got->model_version, "12");
    ck_assert_str_eq(got->id, "id");
    ck_assert_uint_eq(got->n_outputs, 4);
    ck_assert_uint_eq(got->n_raw_output_contents, 4);
    ck_assert_str_eq(got->outputs[0]->datatype, "FP32");
    ck_assert_int_eq(got->outputs[0]->shape[1], 300);
    ck_assert_uint_eq(got->outputs[3]->n_shape, 0);
    ck_assert_uint_eq(got->raw_output_contents[0].len, 2400);
    ck_assert_mem_eq(got->raw_output_contents[0].data, data->data, 2400);
    ck_assert_uint_eq(got->raw_output_contents[1].len, 10);
    ck_assert_mem_eq(got->raw_output_contents[1].data, "\2\0\0\0ab\0\0\0\0", 10);
    ck_assert_uint_eq(got->raw_output_contents[2].len, 0);
    ck_assert_uint_eq(got->raw_output_contents[3].len, 8);
    inference__model_infer_response__free_unpacked(got, NULL);
    free(bytes);
    pn_buffer_unref(reply.head);
    outputs[0].tensor.bytes = (size_t)INT32_MAX + 1;
    ck_assert_int_eq(
        pn_wire_infer_reply("id", &response, &arena, pool, &reply, &err), PN_EXHAUSTED);
    pn_buffer_unref(data);
    pn_buffer_pool_close(pool);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        truncation_at_every_byte, mutations_agree_with_protobuf_c, reply_reads_back};

    return run_all("wire_hostile", tests, sizeof tests / sizeof tests[0]);
}
