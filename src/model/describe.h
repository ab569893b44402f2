/* SPDX-License-Identifier: Apache-2.0
 *
 * What `pinnace check` prints of any kind of model. Threading: none of its own. */
#ifndef PN_MODEL_DESCRIBE_H
#define PN_MODEL_DESCRIBE_H

#include "base/str.h"
#include "model/model.h"

/* One line for each input and output: `input  "x" FP32 [-1,256]`. */
void pn_model_describe_signature(const struct pn_model *m, struct pn_str *out);

/* `memory 1.2 MiB`. */
void pn_model_describe_memory(const struct pn_model *m, struct pn_str *out);

#endif
