/* SPDX-License-Identifier: Apache-2.0
 *
 * Which file of a folder is the model. Threading: none of its own. */
#ifndef PN_SERVE_MODEL_FILE_H
#define PN_SERVE_MODEL_FILE_H

#include "model/config.h"

#include <stdbool.h>

/* Is @path named as a model file is? *@is_table: as one that holds a table. */
bool pn_model_file_named(const char *path, bool *is_table);

/* The default name of a file of the kind that @name ends as: "model.npy" for "items.npy". */
const char *pn_model_file_default(const char *name);

/* The length of @name without the ending that a model file has. */
size_t pn_model_file_stem(const char *name);

/* The model file in @dir, on the heap: what @c names, else the first there is of the default
 * names that fit the platform. Where there is none, the name that was expected and *@found
 * false. NULL without memory. */
char *pn_model_file_in(
    const char *dir, const struct pn_model_config *c, bool *found, bool *is_table);

/* Does @c say that the model is a table? */
bool pn_config_is_table(const struct pn_model_config *c);

#endif
