/* SPDX-License-Identifier: Apache-2.0
 *
 * What lies in the model repositories: models, their configuration, the versions wanted.
 *
 * A PATH is a model file (named after its stem, version 1), a model directory (integer version
 * directories inside, or the model file itself: version 1) or a repository of model
 * directories. Model files are .onnx, .safetensors and .npy. Symbolic links are followed; names
 * that begin with a dot are not looked at, since Kubernetes keeps the real folders of a mounted
 * ConfigMap there.
 * Life: pn_scan_paths -> read -> pn_scan_fini. Threading: one thread at a time. */
#ifndef PN_SERVE_SCAN_H
#define PN_SERVE_SCAN_H

#include "base/error.h"
#include "model/config.h"
#include "model/model_table_config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pn_found_version {
    int64_t number;
    char *path;     /* of the model file; not of one that lies elsewhere: table.file */
    char *dir;      /* the folder that it lies in */
    bool is_table;  /* else a graph */
    uint64_t stamp; /* differs when a file of the version or its configuration changed */
};

struct pn_found_model {
    char *name, *dir; /* dir: for messages; the file itself for a file's PATH */
    char *root;       /* the repository, or the folder that stands for it */
    bool builtin;     /* the path of its one version is not used */
    bool beside;      /* no PATH holds it: pn_scan_add_beside() */
    bool has_config;
    struct pn_model_config config;
    struct pn_table_config table; /* of its versions that are tables */
    struct pn_error failure; /* code PN_OK, or why none of its versions can be loaded */
    struct pn_found_version *versions; /* wanted by the policy, ascending */
    size_t n_versions;
};

struct pn_scan {
    struct pn_found_model *models;
    size_t n_models, capacity;
};

/* Look at @paths. A model with a fault of its own is listed with ->failure set. Fails as a
 * whole, with PN_NOT_FOUND or PN_INVALID, when a PATH cannot be read or is of no known form,
 * and with PN_EXHAUSTED. Legal to fini whatever it returned. */
PN_MUST_USE enum pn_code pn_scan_paths(
    const char *const *paths, size_t n_paths, struct pn_scan *out, struct pn_error *err);

/* Add the built-in model of that name, unless a model of the user's has it. */
PN_MUST_USE enum pn_code pn_scan_add_builtin(
    struct pn_scan *scan, const char *name, struct pn_error *err);

/* Add the model @name of the repository @root, which no PATH holds as a whole, by the rules of a
 * repository; nothing where there is none. Moves ->models. */
PN_MUST_USE enum pn_code pn_scan_add_beside(
    struct pn_scan *scan, const char *root, const char *name, struct pn_error *err);

void pn_scan_fini(struct pn_scan *scan);

#endif
