/* SPDX-License-Identifier: Apache-2.0
 *
 * Any text as config.pbtxt: refused with file and sentence, or parsed into a struct whose
 * parts keep what the header promises; its parameters then as those of a table, likewise.
 *
 * rooms: model */
#include "fuzz/driver/fuzz.h"
#include "model/config.h"
#include "model/model_table_config.h"

#include <string.h>

enum { INPUT_MAX = 1 << 16 };

static void check_infos(const struct pn_tensor_info *infos, size_t n, int least)
{
    for (size_t i = 0; i < n; i++) {
        fuzz_must(infos[i].name && *infos[i].name, "an input or output has a name");
        fuzz_must(infos[i].rank >= 1 && infos[i].rank <= PN_MAX_DIMS - least,
            "its rank leaves room for the batch");
        fuzz_must(pn_dtype_bytes(infos[i].dtype) > 0, "its datatype is known");
    }
}

static void check_config(const struct pn_model_config *c)
{
    int batch = c->max_batch_size > 0;
    fuzz_must(c->name && c->platform && c->backend, "names are never NULL");
    fuzz_must(c->max_batch_size >= 0, "max_batch_size is no debt");
    check_infos(c->inputs, c->n_inputs, batch);
    check_infos(c->outputs, c->n_outputs, batch);
    fuzz_must(c->latest >= 1, "at least one version is wanted");
    for (size_t i = 0; i < c->n_versions; i++)
        fuzz_must(c->versions[i] >= 1, "versions are positive");
    for (size_t i = 0; i < c->n_params; i++)
        fuzz_must(c->param_keys[i] && c->param_values[i], "parameters are never NULL");
}

static void check_refusal(enum pn_code code, const struct pn_error *err)
{
    fuzz_must(err->code == code && strncmp(err->msg, "config.pbtxt", 12) == 0,
        "a refusal names the file");
    fuzz_must(code != PN_INTERNAL, "no text is our own fault");
}

static void check_table(const struct pn_model_config *c)
{
    struct pn_table_config t;
    struct pn_error err = {0};
    enum pn_code code = pn_table_config_parse("config.pbtxt", c, &t, &err);
    if (code != PN_OK) {
        check_refusal(code, &err);
        return;
    }
    fuzz_must(pn_table_operation_text(t.operation) != NULL, "the operation is known");
    fuzz_must(t.tensor && t.file && t.keys && t.encoder, "names are never NULL");
    fuzz_must(1 <= t.k && t.k <= t.k_max, "k is from 1 to k_max");
    fuzz_must(!*t.encoder || t.operation >= PN_TABLE_SCORE, "an encoder makes queries");
    fuzz_must(c->n_params > 0 || t.operation == PN_TABLE_GATHER, "gather is the default");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_model_config c;
    struct pn_error err = {0};
    if (size > INPUT_MAX)
        return 0;
    enum pn_code code =
        pn_model_config_parse("config.pbtxt", (const char *)data, size, &c, &err);
    if (code != PN_OK) {
        check_refusal(code, &err);
    } else {
        check_config(&c);
        check_table(&c);
    }
    pn_model_config_fini(&c);
    return 0;
}
