# SPDX-License-Identifier: Apache-2.0
# The serial OpenBLAS, by its own folder: the alternatives system may point -lopenblas and the
# loader at the threaded build, which shares the SONAME. The rpath makes the loader look in
# the serial folder first; the program checks what it really got when it starts.
find_path(OPENBLAS_SERIAL_INCLUDE cblas.h
    PATHS /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-serial
    NO_DEFAULT_PATH REQUIRED)
find_library(OPENBLAS_SERIAL_LIBRARY openblas
    PATHS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-serial
    NO_DEFAULT_PATH REQUIRED)
get_filename_component(OPENBLAS_SERIAL_FOLDER ${OPENBLAS_SERIAL_LIBRARY} DIRECTORY)
if(CMAKE_SYSROOT) # where the loader will find it, not where the linker does
    string(REPLACE ${CMAKE_SYSROOT}/ / OPENBLAS_SERIAL_FOLDER ${OPENBLAS_SERIAL_FOLDER})
endif()

add_library(pinnace_openblas INTERFACE)
target_include_directories(pinnace_openblas SYSTEM INTERFACE ${OPENBLAS_SERIAL_INCLUDE})
target_link_libraries(pinnace_openblas INTERFACE ${OPENBLAS_SERIAL_LIBRARY})

# In the build folder too: what CMake writes there by itself ends with a colon, and the loader
# would look for every library in the working directory.
set(CMAKE_INSTALL_RPATH ${OPENBLAS_SERIAL_FOLDER})
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
