# SPDX-License-Identifier: Apache-2.0
# cmake -DIN=file -DOUT=file.c -P embed.cmake: the bytes of IN as a C array.
file(READ ${IN} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR bytes "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," body "${hex}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n    "
    body "${body}")
file(WRITE ${OUT} "/* Generated from proto/. */
#include \"wire/descriptors.h\"

const uint8_t pn_wire_files[] = {
    ${body}
};
const size_t pn_wire_files_bytes = ${bytes};
")
