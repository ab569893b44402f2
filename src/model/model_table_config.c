/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters of config.pbtxt, word by word. A key that is not known is an error, and so is one
 * that the operation does not use: what is written must not do nothing. */
#include "model/model_table_config.h"

#include "base/str.h"
#include "table/names.h"

#include <stdio.h>
#include <string.h>

enum { K_DEFAULT = 10, K_MAX_DEFAULT = 10000, K_MAX_MOST = 1000000 };

static const char *const operations[] = {[PN_TABLE_GATHER] = "gather",
    [PN_TABLE_POOL] = "pool",
    [PN_TABLE_SCORE] = "score",
    [PN_TABLE_TOPK] = "topk"};

static bool set_operation(struct pn_table_config *c, const char *value)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (strcmp(operations[i], value) == 0) {
            c->operation = (enum pn_table_operation)i;
            return true;
        }
    }
    return false;
}

static bool set_metric(struct pn_table_config *c, const char *value)
{
    return pn_similarity_parse(value, &c->metric);
}

static bool set_resident(struct pn_table_config *c, const char *value)
{
    return pn_resident_parse(value, &c->resident);
}

static bool set_pool(struct pn_table_config *c, const char *value)
{
    return pn_bag_parse(value, &c->pool);
}

static bool set_missing(struct pn_table_config *c, const char *value)
{
    c->missing_zero = strcmp(value, "zero") == 0;
    return c->missing_zero || strcmp(value, "error") == 0;
}

static bool set_tensor(struct pn_table_config *c, const char *value)
{
    c->tensor = value;
    return *value;
}

static bool set_file(struct pn_table_config *c, const char *value)
{
    c->file = value;
    return *value;
}

static bool set_keys(struct pn_table_config *c, const char *value)
{
    c->keys = value;
    return *value;
}

static bool set_encoder(struct pn_table_config *c, const char *value)
{
    c->encoder = value;
    return *value;
}

static bool set_k(struct pn_table_config *c, const char *value)
{
    return pn_text_to_i64(value, 1, K_MAX_MOST, &c->k);
}

static bool set_k_max(struct pn_table_config *c, const char *value)
{
    return pn_text_to_i64(value, 1, K_MAX_MOST, &c->k_max);
}

/* Operations, a bit each. */
enum {
    POOL = 1 << PN_TABLE_POOL,
    TOPK = 1 << PN_TABLE_TOPK,
    QUERY = 1 << PN_TABLE_SCORE | TOPK,
    ALL = 1 << PN_TABLE_GATHER | POOL | QUERY
};

static const struct {
    const char *key;
    bool (*set)(struct pn_table_config *c, const char *value);
    const char *expected;
    int operations; /* that use it */
} parameters[] = {
    {"operation", set_operation, "gather, pool, score or topk", ALL},
    {"metric", set_metric, "dot, cosine or l2", QUERY},
    {"tensor", set_tensor, "the name of a tensor", ALL},
    {"file", set_file, "a path below the repository", ALL},
    {"resident", set_resident, "mmap, fp32, fp16, bf16 or int8", ALL},
    {"pool", set_pool, "sum, mean or max", POOL},
    {"missing", set_missing, "error or zero", ALL},
    {"keys", set_keys, "the name of a file", ALL},
    {"k", set_k, "a whole number from 1 to 1000000", TOPK},
    {"k_max", set_k_max, "a whole number from 1 to 1000000", TOPK},
    {"encoder", set_encoder, "the name of a model", QUERY},
};

enum { N_PARAMETERS = sizeof parameters / sizeof *parameters, KEYS_BYTES = 128 };

/* "operation, tensor, ...": the keys that some operation of the set @users uses. */
static const char *keys_of(int users, char text[KEYS_BYTES])
{
    size_t len = 0;
    for (size_t i = 0; i < N_PARAMETERS; i++)
        if (parameters[i].operations & users)
            len += (size_t)snprintf(
                text + len, KEYS_BYTES - len, "%s%s", len ? ", " : "", parameters[i].key);
    return text;
}

static size_t index_of(const char *key)
{
    size_t i = 0;
    while (i < N_PARAMETERS && strcmp(parameters[i].key, key) != 0)
        i++;
    return i;
}

static enum pn_code take(const char *name, size_t line, const char *key, const char *value,
    struct pn_table_config *c, struct pn_error *err)
{
    char known[KEYS_BYTES];
    size_t i = index_of(key);
    if (i == N_PARAMETERS)
        return pn_fail(err, PN_INVALID,
            "%s:%zu: parameter \"%.100s\" is not known; a table has %s", name, line, key,
            keys_of(ALL, known));
    if (parameters[i].set(c, value))
        return PN_OK;
    return pn_fail(err, PN_INVALID,
        "%s:%zu: parameter \"%s\": expected %s as string_value, got \"%.100s\"", name, line,
        key, parameters[i].expected, value);
}

/* The operation may come behind the parameters that it uses. */
static enum pn_code check_used(const char *name, size_t line, const char *key,
    const struct pn_table_config *c, struct pn_error *err)
{
    char known[KEYS_BYTES];
    int operation = 1 << c->operation;
    if (parameters[index_of(key)].operations & operation)
        return PN_OK;
    return pn_fail(err, PN_INVALID,
        "%s:%zu: parameter \"%s\" means nothing to operation %s, which takes %s", name,
        line, key, operations[c->operation], keys_of(operation, known));
}

struct pn_table_config pn_table_config_default(void)
{
    return (struct pn_table_config){
        .tensor = "", .file = "", .keys = "", .encoder = "", .k_max = K_MAX_DEFAULT};
}

enum pn_code pn_table_config_parse(const char *name, const struct pn_model_config *c,
    struct pn_table_config *out, struct pn_error *err)
{
    enum pn_code code = PN_OK;
    *out = pn_table_config_default();
    for (size_t i = 0; code == PN_OK && i < c->n_params; i++)
        code =
            take(name, c->param_lines[i], c->param_keys[i], c->param_values[i], out, err);
    for (size_t i = 0; code == PN_OK && i < c->n_params; i++)
        code = check_used(name, c->param_lines[i], c->param_keys[i], out, err);
    if (code != PN_OK)
        return code;
    if (out->k > out->k_max)
        return pn_fail(err, PN_INVALID, "%s: parameter \"k\": %lld is above k_max, %lld",
            name, (long long)out->k, (long long)out->k_max);
    if (out->k == 0)
        out->k = out->k_max < K_DEFAULT ? out->k_max : K_DEFAULT;
    return PN_OK;
}

const char *pn_table_operation_text(enum pn_table_operation operation)
{
    return operations[operation];
}
