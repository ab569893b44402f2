# SPDX-License-Identifier: Apache-2.0
pn_proto(model model_config.proto)
