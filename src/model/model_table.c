/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a table as a model: its files, its encoder, its signature. */
#include "model/model_table.h"

#include "base/mem.h"
#include "model/describe.h"
#include "model/model_table_impl.h"
#include "tensor/shape.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { OWN_INPUTS_MAX = 3, OUTPUTS_MAX = 2 };

static struct table_model *of(struct pn_model *m)
{
    return (struct table_model *)m;
}

/* ---- files --------------------------------------------------------------------------------- */

static enum pn_code open_folder(const char *path, int *out, struct pn_error *err)
{
    *out = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*out >= 0)
        return PN_OK;
    return pn_fail(
        err, errno == ENOENT ? PN_NOT_FOUND : PN_INVALID, "%s: %s", path, strerror(errno));
}

/* Open, and take what it took off *room: nothing where its rows are in memory already, which
 * is what an opening that may take nothing finds out. */
static enum pn_code open_within(struct table_model *m,
    const struct pn_table_options *options, size_t *room, struct pn_error *err)
{
    struct pn_table_options nothing = *options;
    nothing.max_bytes = 0;
    enum pn_code code = pn_table_open(&nothing, &m->table, err);
    if (code != PN_EXHAUSTED)
        return code;
    code = pn_table_open(options, &m->table, err);
    if (code != PN_OK || *room == SIZE_MAX)
        return code;
    size_t took = pn_table_memory_bytes(m->table);
    *room -= took < *room ? took : *room;
    return code;
}

/* *room: memory left for the rest. */
static enum pn_code open_table(struct table_model *m,
    const struct pn_table_model_options *o, size_t *room, struct pn_error *err)
{
    *room = o->max_bytes;
    struct pn_table_options options = {.dir_fd = -1,
        .path = o->path,
        .tensor = o->config->tensor,
        .resident = o->config->resident,
        .max_bytes = o->max_bytes};
    if (!*o->config->file)
        return open_within(m, &options, room, err);
    options.path = o->config->file;
    enum pn_code code = open_folder(o->root, &options.dir_fd, err);
    if (code != PN_OK)
        return code;
    code = open_within(m, &options, room, err);
    close(options.dir_fd);
    return code;
}

static enum pn_code open_keys_in(struct table_model *m, const char *folder,
    const char *name, size_t room, struct pn_error *err)
{
    int fd;
    enum pn_code code = open_folder(folder, &fd, err);
    if (code != PN_OK)
        return code;
    code = pn_keys_open(fd, name, pn_table_rows(m->table), room, &m->keys, err);
    close(fd);
    return code;
}

/* A link out of the version's folder may stay within the repository. */
static enum pn_code open_own_keys(struct table_model *m,
    const struct pn_table_model_options *o, size_t room, struct pn_error *err)
{
    struct pn_str path = {0};
    enum pn_code code = open_keys_in(m, o->version, o->config->keys, room, err);
    if (code != PN_INVALID || !o->folder)
        return code;
    pn_str_printf(&path, "%s/%s", o->folder, o->config->keys);
    code = path.failed ? pn_fail(err, PN_EXHAUSTED, "no memory for a path")
                       : open_keys_in(m, o->root, path.data, room, err);
    pn_str_fini(&path);
    return code;
}

/* Keys that belong to one version lie in its folder, keys that models share in the root. */
static enum pn_code open_keys(struct table_model *m, const struct pn_table_model_options *o,
    size_t room, struct pn_error *err)
{
    const char *name = o->config->keys;
    if (!*name)
        return PN_OK;
    enum pn_code code = open_own_keys(m, o, room, err);
    if (code == PN_NOT_FOUND)
        code = open_keys_in(m, o->root, name, room, err);
    if (code == PN_NOT_FOUND)
        return pn_fail(
            err, code, "keys \"%s\": neither in %s nor in %s", name, o->version, o->root);
    return code == PN_OK ? PN_OK : pn_wrap(err, "keys");
}

/* ---- the encoder --------------------------------------------------------------------------- */

static const struct pn_tensor_info *query_of(const struct pn_model *encoder, size_t *at)
{
    for (size_t i = 0; i < encoder->n_outputs; i++) {
        if (encoder->n_outputs == 1 || strcmp(encoder->outputs[i].name, "QUERY") == 0) {
            *at = i;
            return &encoder->outputs[i];
        }
    }
    return NULL;
}

/* Find which output is QUERY. */
static enum pn_code check_encoder(struct table_model *m, struct pn_error *err)
{
    const struct pn_table_encoder *encoder = &m->encoder;
    char got[PN_SHAPE_TEXT_BYTES];
    int64_t dim = (int64_t)pn_table_dim(m->table);
    if (!encoder->model)
        return PN_OK;
    m->n_encoder_inputs = encoder->model->n_inputs;
    const struct pn_tensor_info *query = query_of(encoder->model, &m->encoder_output);
    if (!query)
        return pn_fail(err, PN_INVALID,
            "encoder \"%s\": expected one output, or one named \"QUERY\", got %zu",
            encoder->name, encoder->model->n_outputs);
    if (query->dtype == PN_FP32 && query->rank == 2 &&
        (query->dims[1] == dim || query->dims[1] < 0))
        return PN_OK;
    return pn_fail(err, PN_INVALID,
        "encoder \"%s\": output \"%s\": expected FP32 [-1,%lld], got %s", encoder->name,
        query->name, (long long)dim,
        pn_shape_text(got, query->dtype, query->dims, query->rank));
}

/* ---- the signature ------------------------------------------------------------------------- */

static const struct {
    const char *inputs[OWN_INPUTS_MAX], *outputs[OUTPUTS_MAX];
} signatures[] = {[PN_TABLE_GATHER] = {{"IDS"}, {"VECTORS"}},
    [PN_TABLE_POOL] = {{"IDS", "WEIGHTS"}, {"POOLED"}},
    [PN_TABLE_SCORE] = {{"QUERY", "IDS"}, {"SCORES"}},
    [PN_TABLE_TOPK] = {{"QUERY", "EXCLUDE", "INCLUDE"}, {"IDS", "SCORES"}}};

static bool is_one_of(const char *name, const char *a, const char *b, const char *c)
{
    return strcmp(name, a) == 0 || strcmp(name, b) == 0 || strcmp(name, c) == 0;
}

static struct pn_tensor_info info_of(const struct table_model *m, const char *name)
{
    struct pn_tensor_info info = {name, PN_FP32, 2, {-1, -1}, 0};
    if (is_one_of(name, "IDS", "EXCLUDE", "INCLUDE"))
        info.dtype = m->keys ? pn_keys_dtype(m->keys) : PN_INT64;
    if (is_one_of(name, "QUERY", "POOLED", "VECTORS"))
        info.dims[1] = (int64_t)pn_table_dim(m->table);
    if (m->config.operation == PN_TABLE_GATHER && strcmp(name, "IDS") == 0)
        info.rank = 1;
    info.optional = is_one_of(name, "WEIGHTS", "EXCLUDE", "INCLUDE");
    return info;
}

static bool has(const struct pn_tensor_info *infos, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(infos[i].name, name) == 0)
            return true;
    return false;
}

static enum pn_code take_inputs(
    struct table_model *m, const char *const *names, struct pn_error *err)
{
    struct pn_tensor_info *inputs = m->infos;
    size_t n = m->n_encoder_inputs;
    if (n > 0)
        memcpy(inputs, m->encoder.model->inputs, n * sizeof *inputs);
    for (size_t i = 0; i < OWN_INPUTS_MAX && names[i]; i++) {
        if (m->encoder.model && strcmp(names[i], "QUERY") == 0)
            continue;
        if (has(inputs, n, names[i]))
            return pn_fail(err, PN_INVALID,
                "encoder \"%s\": its input \"%s\" has a name that the table uses itself",
                m->encoder.name, names[i]);
        inputs[n++] = info_of(m, names[i]);
    }
    m->base.inputs = inputs;
    m->base.n_inputs = n;
    return PN_OK;
}

static enum pn_code make_signature(struct table_model *m, struct pn_error *err)
{
    size_t room = m->n_encoder_inputs + OWN_INPUTS_MAX + OUTPUTS_MAX;
    const char *const *names = signatures[m->config.operation].outputs;
    m->infos = pn_calloc(room, sizeof *m->infos);
    if (!m->infos)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a signature");
    enum pn_code code = take_inputs(m, signatures[m->config.operation].inputs, err);
    if (code != PN_OK)
        return code;
    struct pn_tensor_info *outputs = m->infos + m->base.n_inputs;
    m->base.outputs = outputs;
    for (size_t i = 0; i < OUTPUTS_MAX && names[i]; i++)
        outputs[m->base.n_outputs++] = info_of(m, names[i]);
    m->base.any_rank = m->config.operation == PN_TABLE_GATHER;
    return PN_OK;
}

/* ---- the vtable ---------------------------------------------------------------------------- */

static void describe_operation(const struct table_model *m, struct pn_str *out)
{
    static const char *const metrics[] = {
        [PN_SIM_DOT] = "dot", [PN_SIM_COSINE] = "cosine", [PN_SIM_L2] = "l2"};
    static const char *const pools[] = {
        [PN_BAG_SUM] = "sum", [PN_BAG_MEAN] = "mean", [PN_BAG_MAX] = "max"};
    const struct pn_table_config *c = &m->config;
    pn_str_printf(out, "table   %s", pn_table_operation_text(c->operation));
    if (c->operation == PN_TABLE_POOL)
        pn_str_printf(out, " %s", pools[c->pool]);
    if (c->operation >= PN_TABLE_SCORE)
        pn_str_printf(out, " %s", metrics[c->metric]);
    if (c->operation == PN_TABLE_TOPK)
        pn_str_printf(out, ", k %lld, at most %lld", (long long)c->k, (long long)c->k_max);
    pn_str_add(out, "\n        ", 9);
    pn_table_describe(m->table, out);
    pn_str_add(out, "\n", 1);
}

static void describe_table(struct pn_model *base, struct pn_str *out)
{
    struct table_model *m = of(base);
    pn_model_describe_signature(base, out);
    describe_operation(m, out);
    if (m->keys)
        pn_str_printf(out, "keys    %s\n", pn_dtype_name(pn_keys_dtype(m->keys)));
    if (m->encoder.model)
        pn_str_printf(out, "encoder \"%s\"\n", m->encoder.name);
    pn_model_describe_memory(base, out);
}

static void trim_table(struct pn_model *base)
{
    struct table_model *m = of(base);
    pthread_mutex_lock(&m->mu);
    struct table_scratch *s = m->scratch;
    m->scratch = NULL;
    pthread_mutex_unlock(&m->mu);
    while (s) {
        struct table_scratch *next = s->next;
        pn_arena_fini(&s->arena);
        pn_free(s);
        s = next;
    }
}

static void close_table(struct pn_model *base)
{
    struct table_model *m = of(base);
    trim_table(base);
    pn_keys_close(m->keys);
    pn_table_close(m->table);
    if (m->encoder.release)
        m->encoder.release(m->encoder.ctx);
    pthread_mutex_destroy(&m->mu);
    pn_free(m->infos);
    pn_free(m);
}

static const struct pn_model_ops table_ops = {.platform = "pinnace_table",
    .run = pn_table_model_run,
    .describe = describe_table,
    .trim = trim_table,
    .close = close_table,
    .work = pn_table_model_work};

static enum pn_code open_parts(
    struct table_model *m, const struct pn_table_model_options *o, struct pn_error *err)
{
    size_t room;
    enum pn_code code = open_table(m, o, &room, err);
    if (code == PN_OK)
        code = open_keys(m, o, room, err);
    if (code == PN_OK)
        code = check_encoder(m, err);
    if (code == PN_OK)
        code = make_signature(m, err);
    if (code != PN_OK)
        return code;
    m->config.tensor = m->config.file = m->config.keys = m->config.encoder = "";
    m->base.may_block = m->config.resident == PN_RES_MMAP ||
                        (m->encoder.model && m->encoder.model->may_block);
    m->base.memory_bytes = sizeof *m + pn_table_memory_bytes(m->table);
    if (m->keys)
        m->base.memory_bytes += pn_keys_memory_bytes(m->keys);
    return PN_OK;
}

enum pn_code pn_model_open_table(const struct pn_table_model_options *options,
    struct pn_table_encoder take_encoder, struct pn_model **out, struct pn_error *err)
{
    *out = NULL;
    struct table_model *m = pn_calloc(1, sizeof *m);
    if (!m) {
        if (take_encoder.release)
            take_encoder.release(take_encoder.ctx);
        return pn_fail(err, PN_EXHAUSTED, "no memory for a model");
    }
    m->base.ops = &table_ops;
    m->config = *options->config;
    m->encoder = take_encoder;
    pthread_mutex_init(&m->mu, NULL);
    enum pn_code code = open_parts(m, options, err);
    if (code != PN_OK) {
        close_table(&m->base);
        return code;
    }
    *out = &m->base;
    return PN_OK;
}

/* ---- for the loader and tools -------------------------------------------------------------- */

static const struct table_model *table_of(const struct pn_model *m)
{
    return m->ops == &table_ops ? (const struct table_model *)m : NULL;
}

bool pn_model_table_intact(const struct pn_model *base)
{
    const struct table_model *m = table_of(base);

    if (!m)
        return true;
    return pn_table_intact(m->table) &&
           (!m->encoder.model || pn_model_table_intact(m->encoder.model));
}

size_t pn_model_memory_share_bytes(const struct pn_model *m)
{
    const struct table_model *t = table_of(m);
    if (!t)
        return m->memory_bytes;
    size_t bytes = pn_table_memory_bytes(t->table);
    return m->memory_bytes - bytes + bytes / pn_table_holders(t->table);
}

size_t pn_model_table_rows(const struct pn_model *m)
{
    const struct table_model *t = table_of(m);
    return t ? pn_table_rows(t->table) : 0;
}

bool pn_model_table_takes_ids(const struct pn_model *m, size_t at)
{
    const struct table_model *t = table_of(m);
    return t && at >= t->n_encoder_inputs &&
           is_one_of(m->inputs[at].name, "IDS", "EXCLUDE", "INCLUDE");
}

void pn_model_table_ids(const struct pn_model *m, const int64_t *rows, size_t n, void *out)
{
    const struct table_model *t = table_of(m);
    if (t)
        pn_table_ids_write(t, rows, n, out);
}
