# SPDX-License-Identifier: Apache-2.0
# The kernels are optimised in every build type: an unoptimised one cannot be used, not even
# for tests. Files for one instruction set get its flags; select.c decides at run time.
# Unrolled and instrumented, with what a debugger wants of each variable, they took GCC four and
# a half minutes; so 80 s, and a report still names file and line.
set(kernel_speed -O3)
if(CMAKE_C_FLAGS MATCHES "-fsanitize=")
    set(kernel_speed -O1 -g1)
endif()
set(kernel_folder ${PROJECT_SOURCE_DIR}/src/kernel)
set(kernel_portable ${kernel_folder}/kernels_portable.c ${kernel_folder}/embedding_portable.c)
set(kernel_avx2 ${kernel_folder}/kernels_avx2.c ${kernel_folder}/embedding_avx2.c)
set(kernel_avx512 ${kernel_folder}/kernels_avx512.c ${kernel_folder}/embedding_avx512.c)

# Nobody reads the floating-point exception flags; while they count, GCC will not vectorise
# a choice between two numbers (portable exp: 4.3 -> 1.4 ns an element without them).
set_source_files_properties(${kernel_portable}
    PROPERTIES COMPILE_OPTIONS "${kernel_speed};-fno-trapping-math")
set_source_files_properties(${kernel_avx2}
    PROPERTIES COMPILE_OPTIONS "${kernel_speed};-mavx2;-mfma;-mf16c")
set_source_files_properties(${kernel_avx512}
    PROPERTIES COMPILE_OPTIONS "${kernel_speed};-mavx512f;-mavx512dq;-mavx512bw;-mavx512vl;-mavx2;-mfma")

# Clang unrolls what `#pragma GCC unroll` asks of GCC, and warns that it does not know it.
if(CMAKE_C_COMPILER_ID MATCHES Clang)
    target_compile_options(pn_kernel PRIVATE -Wno-unknown-pragmas)
endif()

# Parsers are fuzzed, not kernels (the asan preset runs those): their loops, unrolled and
# instrumented, took clang four minutes.
if(PN_FUZZ)
    set_property(SOURCE ${kernel_portable} ${kernel_avx2} ${kernel_avx512}
        APPEND PROPERTY COMPILE_OPTIONS "-fno-sanitize=all")
endif()

if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    get_target_property(kernel_sources pn_kernel SOURCES)
    list(REMOVE_ITEM kernel_sources ${kernel_avx2} ${kernel_avx512})
    set_property(TARGET pn_kernel PROPERTY SOURCES ${kernel_sources})
endif()
target_link_libraries(pn_kernel PRIVATE m)
