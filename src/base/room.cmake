# SPDX-License-Identifier: Apache-2.0
# The version and the git revision go to version.c only, so a new commit recompiles one file.
# The revision is read when CMake configures: a release build starts with that.
target_link_libraries(pn_base PUBLIC Threads::Threads)

find_package(Git QUIET)
set(revision unknown)
if(GIT_FOUND AND EXISTS ${PROJECT_SOURCE_DIR}/.git)
    execute_process(
        COMMAND ${GIT_EXECUTABLE} -C ${PROJECT_SOURCE_DIR} rev-parse --short=12 HEAD
        OUTPUT_VARIABLE git_revision OUTPUT_STRIP_TRAILING_WHITESPACE
        RESULT_VARIABLE git_failed ERROR_QUIET)
    if(NOT git_failed)
        set(revision ${git_revision})
    endif()
endif()
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/base/version.c PROPERTIES
    COMPILE_DEFINITIONS
    "PN_VERSION_TEXT=\"${PROJECT_VERSION}\";PN_REVISION_TEXT=\"${revision}\"")
