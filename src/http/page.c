/* SPDX-License-Identifier: Apache-2.0
 *
 * The pages: metrics, health, metadata.
 * Source of paths and fields: KServe Open Inference Protocol v2, REST; Prometheus exposition
 * formats for /metrics. */
#include "http/page.h"

#include "base/mem.h"
#include "pinnace/version.h"
#include "tensor/shape.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PARTS = 8 };

/* A path cut at its slashes: "/v2/models/M/ready" has the parts v2, models, M, ready. */
struct route {
    const struct pn_http_options *options;
    char *text;
    const char *parts[MAX_PARTS];
    size_t n;
};

static void set_json(struct pn_page *page, unsigned status, json_t *take_object)
{
    char *text = take_object ? json_dumps(take_object, JSON_COMPACT) : NULL;

    page->status = status;
    page->type = "application/json";
    if (text)
        pn_str_add(&page->body, text, strlen(text));
    else
        page->body.failed = true;
    free(text);
    json_decref(take_object);
}

static void set_error(struct pn_page *page, unsigned status, const char *message)
{
    json_t *object = json_pack("{s:s}", "error", message);

    if (!object) /* not UTF-8 */
        object = json_pack("{s:s}", "error", "the path is not valid UTF-8");
    set_json(page, status, object);
}

static void set_code(struct pn_page *page, enum pn_code code, const struct pn_error *err)
{
    switch (code) {
    case PN_OK:
        page->status = 200;
        break;
    case PN_NOT_FOUND:
        set_error(page, 404, err->msg);
        break;
    case PN_UNAVAILABLE:
    case PN_EXHAUSTED:
        set_error(page, 503, err->msg);
        break;
    default:
        set_error(page, 500, err->msg);
        break;
    }
}

/* ---- pages ------------------------------------------------------------------------------- */

static void metrics_page(const struct pn_http_options *o, struct pn_page *page)
{
    struct pn_error err = {0};

    page->status = 200;
    page->type = "text/plain; version=0.0.4; charset=utf-8";
    if (pn_metrics_render(o->metrics, &page->body, &err) != PN_OK)
        page->body.failed = true;
}

static void server_page(struct pn_page *page)
{
    json_t *extensions = json_array();
    size_t n;
    const char *const *names = pn_serve_extensions(&n);

    for (size_t i = 0; extensions && i < n; i++)
        json_array_append_new(extensions, json_string(names[i]));
    set_json(page, 200,
        json_pack("{s:s, s:s, s:o}", "name", "pinnace", "version", pn_version(),
            "extensions", extensions));
}

static void health_page(const struct route *r, struct pn_page *page)
{
    if (strcmp(r->parts[2], "live") == 0)
        page->status = 200;
    else if (strcmp(r->parts[2], "ready") != 0)
        set_error(page, 404, "no such page");
    else if (pn_serve_ready(r->options->serve))
        page->status = 200;
    else
        set_error(page, 503, "not ready: models are loading, failed, or the server drains");
}

static json_t *tensor_object(const struct pn_tensor_info *info)
{
    json_t *shape = json_array(), *object = NULL;

    for (int i = 0; shape && i < info->rank; i++)
        json_array_append_new(shape, json_integer(info->dims[i]));
    if (shape)
        object = json_pack("{s:s, s:s, s:O}", "name", info->name, "datatype",
            pn_dtype_name(info->dtype), "shape", shape);
    json_decref(shape);
    return object;
}

static json_t *tensor_list(const struct pn_tensor_info *infos, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < n; i++)
        json_array_append_new(list, tensor_object(&infos[i]));
    return list;
}

static json_t *model_object(const struct pn_model_ref *ref)
{
    json_t *versions = json_array();

    for (size_t i = 0; versions && i < ref->n_versions; i++)
        json_array_append_new(versions, json_string(ref->versions[i]));
    return json_pack("{s:s, s:o, s:s, s:o, s:o}", "name", ref->name, "versions", versions,
        "platform", ref->platform, "inputs",
        tensor_list(ref->model->inputs, ref->model->n_inputs), "outputs",
        tensor_list(ref->model->outputs, ref->model->n_outputs));
}

static void model_page(
    const struct route *r, const char *model, const char *version, struct pn_page *page)
{
    struct pn_error err = {0};
    struct pn_model_ref ref;
    enum pn_code code;

    code = pn_serve_model_acquire(r->options->serve, model, version, &ref, &err);
    if (code != PN_OK) {
        set_code(page, code, &err);
        return;
    }
    set_json(page, 200, model_object(&ref));
    pn_serve_model_release(&ref);
}

static void ready_page(
    const struct route *r, const char *model, const char *version, struct pn_page *page)
{
    struct pn_error err = {0};

    set_code(page, pn_serve_model_ready(r->options->serve, model, version, &err), &err);
}

static void infer_page(const struct route *r, struct pn_page *page)
{
    struct pn_str text = {0};

    pn_str_printf(&text, "inference is gRPC only");
    if (r->options->grpc_port > 0)
        pn_str_printf(&text, ": port %d", r->options->grpc_port);
    if (text.failed)
        page->body.failed = true;
    else
        set_error(page, 501, text.data);
    pn_str_fini(&text);
}

/* ---- routes ------------------------------------------------------------------------------ */

static bool cut_path(struct route *r, const char *path)
{
    char *save = NULL, *part;

    r->text = pn_strdup(path);
    if (!r->text)
        return false;
    for (part = strtok_r(r->text, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
        if (r->n == MAX_PARTS)
            return true;
        r->parts[r->n++] = part;
    }
    return true;
}

static bool is_get(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

static void only_allow(struct pn_page *page, const char *methods)
{
    page->allow = methods;
    set_error(page, 405, "method not allowed on this page");
}

/* /v2/models/M[/versions/V][/ready|/infer]; @at is the part behind the model's name. */
static void model_route(const struct route *r, const char *method, struct pn_page *page)
{
    const char *model = r->parts[2], *version = "", *action = "";
    size_t at = 3;

    if (r->n > at + 1 && strcmp(r->parts[at], "versions") == 0) {
        version = r->parts[at + 1];
        at += 2;
    }
    if (r->n == at + 1)
        action = r->parts[at++];
    if (r->n != at ||
        (*action && strcmp(action, "ready") != 0 && strcmp(action, "infer") != 0))
        set_error(page, 404, "no such page");
    else if (strcmp(action, "infer") == 0 && strcmp(method, "POST") == 0)
        infer_page(r, page);
    else if (strcmp(action, "infer") == 0)
        only_allow(page, "POST");
    else if (!is_get(method))
        only_allow(page, "GET, HEAD");
    else if (*action)
        ready_page(r, model, version, page);
    else
        model_page(r, model, version, page);
}

static void route(const struct route *r, const char *method, struct pn_page *page)
{
    const char *first = r->n > 0 ? r->parts[0] : "";
    bool v2 = strcmp(first, "v2") == 0;

    if (v2 && r->n >= 3 && strcmp(r->parts[1], "models") == 0) {
        model_route(r, method, page);
        return;
    }
    if (!((v2 && r->n == 1) || (v2 && r->n == 3 && strcmp(r->parts[1], "health") == 0) ||
            (r->n == 1 && strcmp(first, "metrics") == 0)))
        set_error(page, 404, "no such page");
    else if (!is_get(method))
        only_allow(page, "GET, HEAD");
    else if (!v2)
        metrics_page(r->options, page);
    else if (r->n == 1)
        server_page(page);
    else
        health_page(r, page);
}

void pn_page_make(const struct pn_http_options *options, const char *method,
    const char *path, struct pn_page *out)
{
    struct route r = {.options = options};

    *out = (struct pn_page){.status = 503};
    if (!cut_path(&r, path))
        return;
    route(&r, method, out);
    pn_free(r.text);
    if (!out->body.failed)
        return;
    pn_str_fini(&out->body);
    *out = (struct pn_page){.status = 503};
}
