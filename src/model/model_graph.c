/* SPDX-License-Identifier: Apache-2.0
 *
 * An .onnx file behind the model interface: opened, compiled, run by the graph's executor.
 * Threading: const after open; the executor copes with concurrent runs. */
#include "base/mem.h"
#include "graph/graph.h"
#include "model/describe.h"
#include "model/model.h"
#include "onnx/onnx.h"
#include "op/op.h"

#include <string.h>

struct graph_model {
    struct pn_model base; /* first: the two are cast into each other */
    struct pn_graph *graph;
};

/* One operator and how many nodes use it. */
struct op_count {
    const struct pn_op *op;
    size_t nodes;
};

static struct graph_model *of(struct pn_model *m)
{
    return (struct graph_model *)m;
}

static bool is_aligned(const struct pn_tensor *t)
{
    if (t->dtype == PN_DTYPE_NONE || t->dtype == PN_BYTES || t->bytes == 0)
        return true; /* strings are an array of structs, which C aligns */
    return (uintptr_t)t->data % pn_dtype_bytes(t->dtype) == 0;
}

/* Kernels load elements where they lie; an input that a caller left between two (a view of a
 * file) is copied. What the wire hands over is aligned, so serving never comes here. */
static enum pn_code run_copied(
    struct pn_model *m, const struct pn_model_run *run, struct pn_error *err)
{
    struct pn_tensor *inputs = pn_calloc(m->n_inputs, sizeof *inputs);
    void **copies = pn_calloc(m->n_inputs, sizeof *copies);
    enum pn_code code = inputs && copies ? PN_OK : PN_EXHAUSTED;
    for (size_t i = 0; code == PN_OK && i < m->n_inputs; i++) {
        inputs[i] = run->inputs[i];
        if (is_aligned(&inputs[i]))
            continue;
        copies[i] = inputs[i].data = pn_alloc_aligned(inputs[i].bytes);
        if (copies[i])
            memcpy(copies[i], run->inputs[i].data, inputs[i].bytes);
        else
            code = PN_EXHAUSTED;
    }
    if (code == PN_OK)
        code = pn_graph_run(of(m)->graph, inputs, run->place, run->place_ctx, run->outputs,
            run->cancelled, run->deadline_ns, run->pool, err);
    else
        (void)pn_fail(err, code, "no memory for aligned inputs");
    for (size_t i = 0; copies && i < m->n_inputs; i++)
        pn_free(copies[i]);
    pn_free(copies);
    pn_free(inputs);
    return code;
}

static enum pn_code run_graph(
    struct pn_model *m, const struct pn_model_run *run, struct pn_error *err)
{
    for (size_t i = 0; i < m->n_inputs; i++)
        if (!is_aligned(&run->inputs[i]))
            return run_copied(m, run, err);
    return pn_graph_run(of(m)->graph, run->inputs, run->place, run->place_ctx, run->outputs,
        run->cancelled, run->deadline_ns, run->pool, err);
}

static size_t count_ops(
    struct pn_node *const *nodes, size_t n_nodes, struct op_count *counts)
{
    size_t n = 0;
    for (size_t i = 0; i < n_nodes; i++) {
        size_t at = 0;
        while (at < n && counts[at].op != nodes[i]->op)
            at++;
        counts[at].op = nodes[i]->op;
        counts[at].nodes++;
        n += at == n;
    }
    return n;
}

static void describe_graph(struct pn_model *m, struct pn_str *out)
{
    struct pn_node *const *nodes;
    size_t n_nodes = pn_graph_nodes(of(m)->graph, &nodes);
    struct op_count *counts = pn_calloc(n_nodes, sizeof *counts);
    pn_model_describe_signature(m, out);
    if (!counts) {
        out->failed = true;
        return;
    }
    size_t n = count_ops(nodes, n_nodes, counts);
    pn_str_printf(out, "nodes   %zu:", n_nodes);
    for (size_t i = 0; i < n; i++)
        pn_str_printf(out, " %s%s%s x%zu", counts[i].op->domain,
            *counts[i].op->domain ? "." : "", counts[i].op->name, counts[i].nodes);
    pn_str_add(out, "\n", 1);
    pn_free(counts);
    pn_model_describe_memory(m, out);
}

static void trim_graph(struct pn_model *m)
{
    pn_graph_trim(of(m)->graph);
}

static void close_graph(struct pn_model *m)
{
    pn_graph_close(of(m)->graph);
    pn_free(m);
}

static const struct pn_model_ops graph_ops = {.platform = "onnxruntime_onnx",
    .run = run_graph,
    .describe = describe_graph,
    .trim = trim_graph,
    .close = close_graph};

/* Read and compile @path. A file that is cut short meanwhile reads as zeros: whatever came of
 * that must not be kept. */
static enum pn_code load(struct pn_graph *g, const char *path,
    const struct pn_model_options *options, struct pn_error *err)
{
    struct pn_onnx_files *files;
    struct pn_error cut = {0};
    if (options)
        pn_graph_on_growth(g, options->fits, options->fits_ctx);
    enum pn_code code = pn_onnx_load(path, g, &files, err);
    if (code == PN_OK)
        code = pn_graph_compile(g, options ? options->report : NULL, err);
    if (pn_onnx_check_files(files, &cut) != PN_OK)
        code = pn_fail(err, PN_UNAVAILABLE, "%s: %s", path, cut.msg);
    return code;
}

enum pn_code pn_model_open_file(const char *path, const struct pn_model_options *options,
    struct pn_model **out, struct pn_error *err)
{
    *out = NULL;
    struct graph_model *m = pn_calloc(1, sizeof *m);
    if (!m)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a model");
    enum pn_code code = pn_graph_open(pn_op_table, pn_op_table_count, &m->graph, err);
    if (code == PN_OK)
        code = load(m->graph, path, options, err);
    if (code != PN_OK)
        goto fail;
    m->base.ops = &graph_ops;
    m->base.n_inputs = pn_graph_inputs(m->graph, &m->base.inputs);
    m->base.n_outputs = pn_graph_outputs(m->graph, &m->base.outputs);
    m->base.memory_bytes = pn_graph_memory_bytes(m->graph);
    *out = &m->base;
    return PN_OK;
fail:
    pn_graph_close(m->graph);
    pn_free(m);
    return code;
}
