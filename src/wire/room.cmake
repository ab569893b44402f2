# SPDX-License-Identifier: Apache-2.0
# protobuf-c code of the small messages, and the descriptors of all of proto/ for reflection.
pn_proto(wire open_inference.proto model_config.proto health.proto reflection_v1.proto)

set(wire_protos open_inference health reflection_v1 reflection_v1alpha model_config)
list(TRANSFORM wire_protos PREPEND ${PROJECT_SOURCE_DIR}/proto/)
list(TRANSFORM wire_protos APPEND .proto)
set(wire_set ${PROJECT_BINARY_DIR}/gen/wire/descriptors.binpb)
set(wire_files ${PROJECT_BINARY_DIR}/gen/wire/descriptors_data.c)
add_custom_command(
    OUTPUT ${wire_files}
    COMMAND ${PROTOC} --descriptor_set_out=${wire_set} --include_imports
        -I ${PROJECT_SOURCE_DIR}/proto ${wire_protos}
    COMMAND ${CMAKE_COMMAND} -DIN=${wire_set} -DOUT=${wire_files}
        -P ${PROJECT_SOURCE_DIR}/src/wire/embed.cmake
    DEPENDS ${wire_protos} ${PROJECT_SOURCE_DIR}/src/wire/embed.cmake
    VERBATIM)
target_sources(pn_wire PRIVATE ${wire_files})
