/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that lies anywhere: every small model with its weights at each of eight offsets in
 * the file, its inputs between two elements, its outputs aligned to their element only. The
 * numbers must not change; the asan preset sees loads that are not allowed. */
#include "base/mem.h"
#include "lib/suite.h"
#include "model/compare.h"
#include "model/model.h"
#include "onnx/tensor_file.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, MAX_PORTS = 64, SHIFTS = 8, FILE_MAX_BYTES = 1 << 22 };

static size_t models, runs;

struct ports {
    char *block[MAX_PORTS];
    struct pn_onnx_tensor_file file[MAX_PORTS];
    struct pn_tensor tensor[MAX_PORTS];
};

/* Copy a model behind a doc_string (ModelProto's field 6) of @shift bytes, which moves all
 * that follows. False if there is no such file. */
static bool shift_file(const char *from, const char *to, size_t shift)
{
    FILE *in = fopen(from, "rb"), *out;
    if (!in)
        return false;
    char *data = malloc(FILE_MAX_BYTES);
    ck_assert_ptr_nonnull(data);
    size_t n = fread(data, 1, FILE_MAX_BYTES, in);
    ck_assert_uint_lt(n, FILE_MAX_BYTES);
    out = fopen(to, "wb");
    ck_assert_ptr_nonnull(out);
    const char head[2 + SHIFTS] = {0x32, (char)shift};
    ck_assert_uint_eq(fwrite(head, 1, 2 + shift, out), 2 + shift);
    ck_assert_uint_eq(fwrite(data, 1, n, out), n);
    (void)fclose(in);
    (void)fclose(out);
    free(data);
    return true;
}

/* Room for @bytes that begins @off bytes past an aligned address. */
static char *room(char **block, size_t bytes, size_t off)
{
    free(*block);
    *block = aligned_alloc(PN_ALIGN, pn_size_align(bytes + off + 1));
    ck_assert_ptr_nonnull(*block);
    return *block + off;
}

static void *place(void *ctx, size_t output, const struct pn_tensor *shape)
{
    struct ports *out = ctx;
    return room(&out->block[output], shape->bytes, pn_dtype_bytes(shape->dtype));
}

static void *place_between(void *ctx, size_t output, const struct pn_tensor *shape)
{
    struct ports *out = ctx;
    return room(&out->block[output], shape->bytes, 1);
}

static void ports_free(struct ports *p)
{
    for (size_t i = 0; i < MAX_PORTS; i++) {
        free(p->block[i]);
        pn_onnx_tensor_fini(&p->file[i]);
    }
    *p = (struct ports){0};
}

static void read_port(struct ports *p, size_t i, const char *dir, const char *side)
{
    char path[2 * PATH_BYTES];
    struct pn_error err = {0};
    ck_assert_uint_lt(i, MAX_PORTS);
    (void)snprintf(path, sizeof path, "%s/test_data_set_0/%s_%zu.pb", dir, side, i);
    ck_assert_msg(pn_onnx_tensor_read(path, &p->file[i], &err) == PN_OK, "%s", err.msg);
    p->tensor[i] = p->file[i].tensor;
}

/* Inputs of the test data, each one byte off; strings are structs, which C aligns. */
static void read_inputs(struct ports *in, const struct pn_model *m, const char *dir)
{
    for (size_t i = 0; i < m->n_inputs; i++) {
        read_port(in, i, dir, "input");
        struct pn_tensor *t = &in->tensor[i];
        if (t->dtype == PN_BYTES || t->bytes == 0)
            continue;
        char *moved = room(&in->block[i], t->bytes, 1);
        memcpy(moved, t->data, t->bytes);
        t->data = moved;
    }
}

static void refuse_between(struct pn_model *m, const struct ports *in, struct ports *out)
{
    struct pn_error err = {0};
    bool fits = true;
    for (size_t i = 0; i < m->n_outputs; i++)
        fits = fits &&
               (out->tensor[i].bytes == 0 || pn_dtype_bytes(out->tensor[i].dtype) == 1);
    enum pn_code code = pn_model_run(m, in->tensor, place_between, out, out->tensor, &err);
    ck_assert_int_eq(code, fits ? PN_OK : PN_INVALID);
}

static void run_model(struct pn_model *m, const char *dir)
{
    static struct ports in, out, expected;
    struct pn_error err = {0};
    struct pn_comparison c;
    read_inputs(&in, m, dir);
    ck_assert_msg(pn_model_run(m, in.tensor, place, &out, out.tensor, &err) == PN_OK,
        "%s: %s", dir, err.msg);
    for (size_t i = 0; i < m->n_outputs; i++) {
        read_port(&expected, i, dir, "output");
        pn_compare(&expected.tensor[i], &out.tensor[i], 1e-4, 1e-5, &c);
        ck_assert_msg(c.same_type && c.differing == 0, "%s: output %zu differs", dir, i);
    }
    refuse_between(m, &in, &out);
    ports_free(&in);
    ports_free(&out);
    ports_free(&expected);
    runs++;
}

static void each_shift(const char *dir, const char *temporary)
{
    char path[2 * PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/model.onnx", dir);
    for (size_t shift = 0; shift < SHIFTS; shift++) {
        struct pn_error err = {0};
        struct pn_model *m;
        if (!shift_file(path, temporary, shift))
            return;
        models += shift == 0;
        enum pn_code code = pn_model_open(temporary, &m, &err);
        ck_assert_msg(
            code == PN_OK || code == PN_UNIMPLEMENTED, "%s +%zu: %s", dir, shift, err.msg);
        if (code != PN_OK)
            return;
        run_model(m, dir);
        pn_model_close(m);
    }
}

/* But those whose weights lie in a file beside them: theirs do not move. */
static void each_model(const char *folder, const char *temporary)
{
    char dir[PATH_BYTES], path[2 * PATH_BYTES];
    const char *root = getenv("PN_SOURCE_DIR");
    struct dirent *entry;
    (void)snprintf(dir, sizeof dir, "%s/%s", root ? root : ".", folder);
    DIR *d = opendir(dir);
    ck_assert_msg(d != NULL, "no folder %s", dir);
    while ((entry = readdir(d))) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (entry->d_name[0] != '.' && !strstr(entry->d_name, "external"))
            each_shift(path, temporary);
    }
    (void)closedir(d);
}

START_TEST(memory_lies_anywhere)
{
    char temporary[] = "/tmp/pn_alignment_XXXXXX.onnx";
    int fd = mkstemps(temporary, 5);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    each_model("tests/models", temporary);
    each_model("tests/unit/onnx/models", temporary);
    (void)unlink(temporary);
    ck_assert_uint_gt(models, 40);
    ck_assert_uint_gt(runs, 40 * SHIFTS);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {memory_lies_anywhere};
    return suite_run("alignment", tests, sizeof tests / sizeof *tests);
}
