/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a .safetensors file.
 *
 * rooms: table */
#include "table/tensor_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_tensor_file f = {0};
    struct pn_error err = {0};
    enum pn_code code = pn_safetensors_parse(data, size, &f, &err);
    tensor_rules_check(&f, data, size, code, &err);
    pn_tensor_file_close(&f);
    return 0;
}
