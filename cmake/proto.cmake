# SPDX-License-Identifier: Apache-2.0
# pn_proto(ROOM file.proto…): protobuf-c code of proto/, compiled without our warnings and
# added to that room's library only; generated files live in the build folder.
find_program(PROTOC_C protoc-c REQUIRED)
find_program(PROTOC protoc REQUIRED)

function(pn_proto room)
    set(out ${PROJECT_BINARY_DIR}/gen/${room})
    file(MAKE_DIRECTORY ${out})
    set(sources)
    set(headers)
    foreach(file IN LISTS ARGN)
        string(REGEX REPLACE "\\.proto$" "" stem ${file})
        add_custom_command(
            OUTPUT ${out}/${stem}.pb-c.c ${out}/${stem}.pb-c.h
            COMMAND ${PROTOC_C} --c_out=${out} -I ${PROJECT_SOURCE_DIR}/proto
                ${PROJECT_SOURCE_DIR}/proto/${file}
            DEPENDS ${PROJECT_SOURCE_DIR}/proto/${file}
            VERBATIM)
        list(APPEND sources ${out}/${stem}.pb-c.c)
        list(APPEND headers ${out}/${stem}.pb-c.h)
    endforeach()
    add_library(pn_${room}_proto OBJECT ${sources} ${headers})
    target_link_libraries(pn_${room}_proto PRIVATE PkgConfig::PROTOBUF_C)
    target_include_directories(pn_${room}_proto PRIVATE ${out})
    target_sources(pn_${room} PRIVATE $<TARGET_OBJECTS:pn_${room}_proto>)
    target_include_directories(pn_${room} SYSTEM PRIVATE ${out})
    add_dependencies(pn_${room} pn_${room}_proto)
endfunction()
