/* SPDX-License-Identifier: Apache-2.0
 *
 * Models that lie: each is refused with a sentence that names the thing, and nothing is read
 * beyond the bytes there are (they are given in blocks of exactly their size). */
#include "base/mem.h"
#include "lib/fault.h"
#include "lib/suite.h"
#include "sys/filemap.h"
#include "unit/onnx/pb_write.h"
#include "unit/onnx/reader_test.h"

#include <fcntl.h>
#include <unistd.h>

enum { FLOAT = 1, INT64 = 7 };

/* ---- building ------------------------------------------------------------------------ */

struct parts {
    struct pb_out model, graph;
};

static void add_opset(struct parts *p, const char *domain, int64_t version)
{
    struct pb_out opset = {0};
    pb_text(&opset, 1, domain);
    pb_int(&opset, 2, version);
    pb_sub(&p->model, 8, &opset);
}

static void start(struct parts *p, int64_t opset)
{
    *p = (struct parts){0};
    pb_int(&p->model, 1, 8);
    add_opset(p, "", opset);
}

/* A graph input or output (@field 11 or 12) of @rank dims, all of size @dim. */
static void add_port(
    struct parts *p, unsigned field, const char *name, int rank, int64_t dim)
{
    struct pb_out shape = {0}, tensor = {0}, type = {0}, port = {0};
    for (int i = 0; i < rank; i++) {
        struct pb_out d = {0};
        pb_int(&d, 1, dim);
        pb_sub(&shape, 1, &d);
    }
    pb_int(&tensor, 1, FLOAT);
    pb_sub(&tensor, 2, &shape);
    pb_sub(&type, 1, &tensor);
    pb_text(&port, 1, name);
    pb_sub(&port, 2, &type);
    pb_sub(&p->graph, field, &port);
}

static struct pb_out node(const char *type, const char *in, const char *out)
{
    struct pb_out n = {0};
    if (in)
        pb_text(&n, 1, in);
    if (out)
        pb_text(&n, 2, out);
    pb_text(&n, 4, type);
    return n;
}

static void add_node(struct parts *p, const char *type, const char *in, const char *out)
{
    struct pb_out n = node(type, in, out);
    pb_sub(&p->graph, 1, &n);
}

static struct pb_out tensor(const char *name, int64_t type, int rank, const int64_t *dims)
{
    struct pb_out t = {0};
    for (int i = 0; i < rank; i++)
        pb_int(&t, 1, dims[i]);
    pb_int(&t, 2, type);
    pb_text(&t, 8, name);
    return t;
}

/* x -> Identity -> y. */
static void start_identity(struct parts *p)
{
    start(p, 17);
    add_port(p, 11, "x", 1, 4);
    add_port(p, 12, "y", 1, 4);
    add_node(p, "Identity", "x", "y");
}

static void add_entry(struct pb_out *t, const char *key, const char *value)
{
    struct pb_out entry = {0};
    pb_text(&entry, 1, key);
    pb_text(&entry, 2, value);
    pb_sub(t, 13, &entry);
}

/* ---- loading ------------------------------------------------------------------------- */

static enum pn_code load_exact(
    const uint8_t *data, size_t len, int dir_fd, struct pn_error *err)
{
    struct pn_graph *g = reader_graph();
    uint8_t *copy = malloc(len > 0 ? len : 1); /* its own block: an overrun is seen */
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, data, len);
    *err = (struct pn_error){0};
    enum pn_code code = pn_onnx_load_bytes(copy, len, dir_fd, g, err);
    if (code != PN_OK) {
        ck_assert_int_eq(err->code, code);
        ck_assert_uint_gt(strlen(err->msg), 0);
    }
    pn_graph_close(g);
    free(copy);
    return code;
}

static enum pn_code finish(struct parts *p, int dir_fd, struct pn_error *err)
{
    pb_sub(&p->model, 7, &p->graph);
    return load_exact(p->model.data, p->model.len, dir_fd, err);
}

static void refused(struct parts *p, enum pn_code code, const char *sentence)
{
    struct pn_error err;
    enum pn_code got = finish(p, -1, &err);
    ck_assert_msg(got == code && strstr(err.msg, sentence), "expected %s: %s\ngot %s: %s",
        pn_code_text(code), sentence, pn_code_text(got), err.msg);
}

static void tensor_refused(const struct pb_out *t, enum pn_code code, const char *sentence)
{
    struct parts p;
    start_identity(&p);
    pb_sub(&p.graph, 5, t);
    refused(&p, code, sentence);
}

/* ---- whole files --------------------------------------------------------------------- */

static const char *const small_models[] = {"softmax_12", "functions", "constants", "typed"};

static void open_model(const char *name, struct pn_filemap *map)
{
    struct pn_error err = {0};
    char path[1024];
    reader_path(path, name, "model.onnx");
    ck_assert_msg(pn_filemap_open(-1, path, map, &err) == PN_OK, "%s", err.msg);
}

START_TEST(truncated_anywhere)
{
    for (size_t m = 0; m < sizeof small_models / sizeof *small_models; m++) {
        struct pn_filemap map;
        struct pn_error err;
        open_model(small_models[m], &map);
        ck_assert(load_exact(map.data, map.bytes, -1, &err) == PN_OK);
        for (size_t len = 0; len < map.bytes; len++)
            (void)load_exact(map.data, len, -1, &err);
        pn_filemap_close(&map);
    }
}
END_TEST

START_TEST(any_byte_wrong)
{
    static const uint8_t wrong[] = {0x01, 0x80, 0xFF};
    for (size_t m = 0; m < sizeof small_models / sizeof *small_models; m++) {
        struct pn_filemap map;
        struct pn_error err;
        open_model(small_models[m], &map);
        uint8_t *copy = malloc(map.bytes);
        memcpy(copy, map.data, map.bytes);
        for (size_t i = 0; i < map.bytes * 3; i++) {
            copy[i / 3] = (uint8_t)(map.data[i / 3] ^ wrong[i % 3]);
            (void)load_exact(copy, map.bytes, -1, &err);
            copy[i / 3] = map.data[i / 3];
        }
        free(copy);
        pn_filemap_close(&map);
    }
}
END_TEST

START_TEST(not_a_model)
{
    struct pn_error err;
    struct parts p;
    static const uint8_t text[] = "<html>not found</html>";
    ck_assert(load_exact(text, sizeof text - 1, -1, &err) == PN_INVALID);
    ck_assert(load_exact(text, 0, -1, &err) == PN_INVALID);
    start(&p, 6);
    refused(&p, PN_UNIMPLEMENTED, "opset 6: expected 7 to 25");
    start(&p, 26);
    refused(&p, PN_UNIMPLEMENTED, "opset 26: expected 7 to 25");
    start(&p, 17);
    pb_int(&p.model, 1, 99);
    refused(&p, PN_UNIMPLEMENTED, "ir_version 99: expected 3 to 14");
    start(&p, 17);
    pb_sub(&p.model, 7, &p.graph);
    refused(&p, PN_INVALID, "2 graphs");
    start(&p, 17);
    refused(&p, PN_INVALID, "the graph has no output");
}
END_TEST

/* ---- graphs -------------------------------------------------------------------------- */

START_TEST(wrong_order_and_names)
{
    struct parts p;
    start_identity(&p);
    add_node(&p, "Identity", "b", "a");
    add_node(&p, "Identity", "a", "b");
    refused(&p, PN_INVALID,
        "node (Identity) that makes \"a\": reads \"b\", which nothing before it makes");
    start_identity(&p);
    add_node(&p, "Identity", "x", "y");
    refused(&p, PN_INVALID, "value \"y\" is made twice");
    start_identity(&p);
    add_node(&p, "Identity", "y", "x");
    refused(&p, PN_INVALID, "value \"x\" is made twice");
    start_identity(&p);
    add_port(&p, 11, "x", 1, 4);
    refused(&p, PN_INVALID, "input \"x\" is declared twice");
    start_identity(&p);
    add_port(&p, 12, "y", 1, 4);
    refused(&p, PN_INVALID, "output \"y\" is declared twice");
    start_identity(&p);
    add_port(&p, 12, "z", 1, 4);
    refused(&p, PN_INVALID, "output \"z\": no node makes it");
    start_identity(&p);
    add_port(&p, 11, "\xFF\xFE", 1, 4);
    refused(&p, PN_INVALID, "is not UTF-8 text");
    start_identity(&p);
    add_port(&p, 11, "deep", 9, 4);
    refused(&p, PN_UNIMPLEMENTED, "input \"deep\": more than 8 dimensions");
}
END_TEST

/* A node with a name and a domain. */
static void add_named(struct parts *p, const char *domain, const char *type,
    const char *name, const char *in, const char *out)
{
    struct pb_out n = node(type, in, out);
    pb_text(&n, 3, name);
    pb_text(&n, 7, domain);
    pb_sub(&p->graph, 1, &n);
}

static void start_missing(struct parts *p)
{
    start(p, 17);
    add_opset(p, "com.example", 2);
    add_port(p, 11, "x", 1, 4);
    add_port(p, 12, "y", 1, 4);
    add_named(p, "", "NonZero", "first", "x", "a");
    add_named(p, "com.example", "Fancy", "", "a", "b"); /* reads what none can make */
    add_named(p, "", "Identity", "known", "b", "c");
    add_named(p, "", "NonZero", "second", "c", "d");
    add_named(p, "", "GroupNormalization", "gn", "d", "y");
}

static const char *const all_missing =
    "3 operators are not supported: NonZero (ai.onnx 17, 2 nodes, first \"first\"); "
    "Fancy (com.example 2, 1 node, first makes \"b\"); "
    "GroupNormalization (ai.onnx 17, 1 node, first \"gn\"): opset 17: its scale and "
    "bias are for each group";

static bool try_missing(void *ctx)
{
    const struct parts *p = ctx;
    struct pn_graph *g = NULL;
    struct pn_error err = {0};
    enum pn_code code = pn_graph_open(reader_ops, READER_N_OPS, &g, &err);
    if (code == PN_OK)
        code = pn_onnx_load_bytes(p->model.data, p->model.len, -1, g, &err);
    pn_graph_close(g);
    if (code != PN_EXHAUSTED)
        ck_assert_str_eq(err.msg, all_missing);
    return code == PN_UNIMPLEMENTED;
}

START_TEST(all_missing_operators_at_once)
{
    struct parts p;
    start_missing(&p);
    refused(&p, PN_UNIMPLEMENTED, all_missing);
    ck_assert_int_gt(fault_each(try_missing, &p), 2);
    start(&p, 17); /* what is wrong behind them does not hide them */
    add_port(&p, 11, "x", 1, 4);
    add_port(&p, 12, "y", 1, 4);
    add_named(&p, "", "NonZero", "first", "x", "a");
    add_named(&p, "", "Identity", "", "absent", "y");
    refused(&p, PN_UNIMPLEMENTED, "1 operator is not supported: NonZero (");
}
END_TEST

START_TEST(more_missing_operators_than_a_sentence_holds)
{
    static struct parts p;
    char name[16];
    struct pn_error err;
    for (int n = 20; n <= 70; n += 50) {
        start_identity(&p);
        for (int i = 0; i < n; i++) {
            (void)snprintf(name, sizeof name, "Absent%d", i);
            add_named(&p, "", name, "", "x", name);
        }
        ck_assert_int_eq(finish(&p, -1, &err), PN_UNIMPLEMENTED);
        ck_assert_ptr_nonnull(
            strstr(err.msg, n < 64 ? "20 operators are" : "more than 64 operators are"));
        ck_assert_ptr_nonnull(strstr(err.msg, "; and "));
        ck_assert_str_eq(err.msg + strlen(err.msg) - 5, " more");
    }
}
END_TEST

START_TEST(operators_that_are_missing)
{
    struct parts p;
    start_identity(&p);
    struct pb_out n = node("If", "x", "z"), attr = {0}, graph = {0};
    pb_text(&attr, 1, "then_branch");
    pb_int(&attr, 20, 5);
    pb_sub(&attr, 6, &graph);
    pb_sub(&n, 5, &attr);
    pb_sub(&p.graph, 1, &n);
    refused(&p, PN_UNIMPLEMENTED,
        "1 operator is not supported: If (ai.onnx 17, 1 node, first makes \"z\")");
    start_identity(&p);
    n = node("Identity", "x", "z");
    pb_text(&n, 7, "com.example");
    pb_sub(&p.graph, 1, &n);
    refused(&p, PN_INVALID, "its domain \"com.example\" has no opset_import");
    start_identity(&p);
    add_opset(&p, "pinnace", 1);
    n = node("FusedGemm", "x", "z");
    pb_text(&n, 7, "pinnace");
    pb_sub(&p.graph, 1, &n);
    refused(&p, PN_INVALID, "domain \"pinnace\" is not for files");
    start_identity(&p);
    pb_text(&p.graph, 15, "");
    refused(&p, PN_UNIMPLEMENTED, "sparse initializers");
}
END_TEST

START_TEST(attributes_that_lie)
{
    struct parts p;
    struct pb_out n = node("Identity", "x", "z"), attr = {0};
    pb_text(&attr, 1, "axis");
    pb_int(&attr, 20, 99);
    pb_sub(&n, 5, &attr);
    start_identity(&p);
    pb_sub(&p.graph, 1, &n);
    refused(&p, PN_INVALID, "attribute \"axis\": unknown type 99");
    n = node("Identity", "x", "z");
    attr = (struct pb_out){0};
    pb_text(&attr, 1, "axis");
    pb_text(&attr, 21, "outer");
    pb_sub(&n, 5, &attr);
    start_identity(&p);
    pb_sub(&p.graph, 1, &n);
    refused(&p, PN_INVALID, "refers to \"outer\" of a function, outside of any");
    start(&p, 9);
    add_port(&p, 11, "x", 1, 4);
    add_port(&p, 12, "y", 1, 4);
    n = node("TopK", "x", "y");
    attr = (struct pb_out){0};
    pb_text(&attr, 1, "k");
    pb_int(&attr, 20, 3);
    pb_text(&attr, 4, "many");
    pb_sub(&n, 5, &attr);
    pb_sub(&p.graph, 1, &n);
    refused(&p, PN_INVALID, "attribute \"k\": expected numbers");
}
END_TEST

/* Function f calls itself, or twice its neighbour, for ever. */
START_TEST(functions_without_end)
{
    struct parts p;
    struct pb_out f = {0}, call = node("f", "x", "y"), opset = {0};
    pb_text(&call, 7, "local");
    pb_text(&opset, 1, "local");
    pb_int(&opset, 2, 1);
    pb_text(&f, 1, "f");
    pb_text(&f, 10, "local");
    pb_text(&f, 4, "x");
    pb_text(&f, 5, "y");
    pb_sub(&f, 9, &opset);
    pb_sub(&f, 7, &call);
    start(&p, 17);
    add_opset(&p, "local", 1);
    add_port(&p, 11, "x", 1, 4);
    add_port(&p, 12, "y", 1, 4);
    pb_sub(&p.graph, 1, &call);
    pb_sub(&p.model, 25, &f);
    refused(&p, PN_INVALID, "functions call each other more than 16 deep");
}
END_TEST

/* Sixteen functions that each call the next one many times: bounded by the number of nodes. */
START_TEST(functions_that_explode)
{
    struct parts p;
    struct pn_error err;
    start(&p, 17);
    add_opset(&p, "local", 1);
    add_port(&p, 11, "x", 1, 4);
    add_port(&p, 12, "x", 1, 4);
    for (int i = 0; i < 15; i++) {
        char name[] = {(char)('a' + i), '\0'}, next[] = {(char)('b' + i), '\0'};
        struct pb_out f = {0}, call = node(next, "x", NULL), opset = {0};
        pb_text(&call, 7, "local");
        pb_text(&opset, 1, "local");
        pb_int(&opset, 2, 1);
        pb_text(&f, 1, name);
        pb_text(&f, 10, "local");
        pb_text(&f, 4, "x");
        pb_sub(&f, 9, &opset);
        for (int k = 0; k < 8; k++)
            pb_sub(&f, 7, &call);
        pb_sub(&p.model, 25, &f);
    }
    struct pb_out last = {0}, call = node("a", "x", NULL);
    pb_text(&last, 1, "p");
    pb_text(&last, 10, "local");
    pb_text(&last, 4, "x");
    pb_sub(&p.model, 25, &last);
    pb_text(&call, 7, "local");
    pb_sub(&p.graph, 1, &call);
    enum pn_code code = finish(&p, -1, &err);
    ck_assert_msg(
        code == PN_INVALID && strstr(err.msg, "more than 262144 nodes"), "%s", err.msg);
}
END_TEST

/* ---- tensors ------------------------------------------------------------------------- */

START_TEST(sizes_that_lie)
{
    const int64_t four[] = {4}, huge[] = {INT64_C(1) << 62, 8}, minus[] = {-1};
    const int64_t many[] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, wide[] = {INT64_C(1) << 40};
    struct pb_out t = tensor("w", FLOAT, 1, four);
    pb_bytes(&t, 9, "0123456789abcde", 15);
    tensor_refused(&t, PN_INVALID,
        "initializer: tensor \"w\" FP32 [4]: expected 16 bytes of raw_data, got 15");
    t = tensor("w", FLOAT, 2, huge);
    tensor_refused(&t, PN_INVALID, "dims are negative or overflow");
    t = tensor("w", FLOAT, 1, minus);
    tensor_refused(&t, PN_INVALID, "dims are negative or overflow");
    t = tensor("w", FLOAT, 9, many);
    tensor_refused(&t, PN_UNIMPLEMENTED, "more than 8 dimensions");
    t = tensor("w", FLOAT, 1, wide); /* 4 TiB are refused before they are asked for */
    tensor_refused(&t, PN_INVALID, "expected 1099511627776 elements, got 0");
    t = tensor("w", INT64, 1, four);
    pb_bytes(&t, 7, "\1\2\3", 3);
    tensor_refused(&t, PN_INVALID, "expected 4 elements, got 3");
    pb_bytes(&t, 7, "\4\xFF", 2);
    tensor_refused(&t, PN_INVALID, "malformed tensor's elements");
    t = tensor("w", 8, 1, four);
    pb_text(&t, 6, "one");
    tensor_refused(&t, PN_INVALID, "expected 4 strings, got 1");
    pb_bytes(&t, 9, "", 0);
    tensor_refused(&t, PN_INVALID, "strings cannot be raw");
    t = tensor("w", 17, 1, four);
    tensor_refused(&t, PN_UNIMPLEMENTED, "datatype FLOAT8E4M3FN is not supported");
    t = tensor("w", 0, 1, four);
    tensor_refused(&t, PN_INVALID, "unknown ONNX datatype number 0");
    t = tensor("", FLOAT, 0, NULL);
    pb_bytes(&t, 9, "1234", 4);
    tensor_refused(&t, PN_INVALID, "initializer without a name");
}
END_TEST

/* ---- external data ------------------------------------------------------------------- */

static void external(const char *location, const char *offset, const char *length,
    enum pn_code expected, const char *sentence)
{
    const int64_t four[] = {4};
    struct parts p;
    struct pn_error err;
    char folder[1024];
    reader_path(folder, "external", "");
    int fd = open(folder, O_RDONLY | O_DIRECTORY);
    ck_assert_int_ge(fd, 0);
    struct pb_out t = tensor("w", FLOAT, 1, four);
    pb_int(&t, 14, 1);
    add_entry(&t, "location", location);
    add_entry(&t, "offset", offset);
    if (length)
        add_entry(&t, "length", length);
    start_identity(&p);
    pb_sub(&p.graph, 5, &t);
    enum pn_code code = finish(&p, fd, &err);
    ck_assert_msg(
        code == expected && strstr(err.msg, sentence), "%s: %s", location, err.msg);
    (void)close(fd);
}

START_TEST(external_data_stays_inside)
{
    external("weights.bin", "0", "16", PN_OK, "");
    external("weights.bin", "60", NULL, PN_OK, "");
    external("../external/weights.bin", "0", "16", PN_INVALID, "\"..\"");
    external("/etc/passwd", "0", "16", PN_INVALID, "absolute");
    external("nothing.bin", "0", "16", PN_NOT_FOUND, "nothing.bin");
    external("test_data_set_0", "0", "16", PN_INVALID, "not a regular file");
    external("", "0", "16", PN_INVALID, "without a location");
    external(
        "weights.bin", "61", "16", PN_INVALID, "16 bytes at offset 61 of a file of 76");
    external("weights.bin", "9223372036854775807", "16", PN_INVALID, "of a file of 76");
    external("weights.bin", "-1", "16", PN_INVALID, "offset: expected bytes, got \"-1\"");
    external("weights.bin", "0", "12", PN_INVALID, "expected 16 bytes");
}
END_TEST

START_TEST(external_data_needs_a_folder)
{
    const int64_t four[] = {4};
    struct pb_out t = tensor("w", FLOAT, 1, four);
    pb_int(&t, 14, 1);
    add_entry(&t, "location", "weights.bin");
    tensor_refused(&t, PN_INVALID, "external data is not allowed here");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {truncated_anywhere, any_byte_wrong, not_a_model,
        wrong_order_and_names, all_missing_operators_at_once,
        more_missing_operators_than_a_sentence_holds, operators_that_are_missing,
        attributes_that_lie, functions_without_end, functions_that_explode, sizes_that_lie,
        external_data_stays_inside, external_data_needs_a_folder};
    return suite_run("onnx malformed", tests, sizeof tests / sizeof *tests);
}
