# SPDX-License-Identifier: Apache-2.0
"""The .npy cases of make.py: files that must be read, and files that must not."""

import io

import numpy as np

A = np.array([[1.5, -2.0, 3.25], [0.0, np.nan, -np.inf]], np.float32)
DATA = A.tobytes()
WORDS = "'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), "


def saved(array, version=None):
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asarray(array), version=version)
    return out.getvalue()


WHOLE = saved(A)


def read(blob):
    """What numpy finds: {"": [dtype, shape, hex of the data]}. Never pickles."""
    source = io.BytesIO(blob)
    array = np.load(source, allow_pickle=False)
    return {"": [array.dtype.str, list(array.shape), array.tobytes().hex()]}


def raw(header, data=DATA, version=(1, 0), end="\n", multiple=64):
    """A file of this text as header, padded as the format asks."""
    length_bytes = 2 if version == (1, 0) else 4
    header = header.encode("latin1") if isinstance(header, str) else header
    start = 8 + length_bytes
    header += b" " * (-(start + len(header) + len(end)) % multiple) + end.encode()
    return b"\x93NUMPY" + bytes(version) + len(header).to_bytes(length_bytes, "little") + header + data


def words(descr="'<f4'", order="False", shape="(2, 3)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


def one(data=DATA, **changes):
    return raw(words(**changes), data)


def with_length(length):
    return WHOLE[:8] + length.to_bytes(2, "little") + WHOLE[10:]


OK = {
    "whole": WHOLE,
    "version_2": saved(A, (2, 0)),
    "version_3": saved(A, (3, 0)),
    "scalar": saved(np.float64(2.5)),
    "one_dim": saved(np.arange(5)),
    "no_elements": saved(np.zeros((0, 7), np.float16)),
    "three_dims": saved(np.arange(24, dtype=np.uint16).reshape(2, 3, 4)),
    "eight_dims": saved(np.arange(6, dtype=np.int8).reshape(1, 1, 2, 1, 1, 3, 1, 1)),
    "key_order": raw("{'shape': (2, 3), 'descr': '<f4', 'fortran_order': False}"),
    "no_last_comma": raw(words().replace(", }", "}")),
    "double_quotes": raw(words().replace("'", '"')),
    "no_spaces": raw(words().replace(" ", "")),
    "many_spaces": raw("  " + words("\n '<f4' ", "\t False ", " ( 2 ,\n 3 , ) ") + "\n "),
    "last_comma_in_shape": one(shape="(2, 3,)"),
    "python_2": one(shape="(2L, 3L)"),
    "python_2_version_2": raw(words(shape="(2L, 3L)"), version=(2, 0)),
    "aligned_to_16": raw(words(), multiple=16),
    "not_aligned": raw(words(), multiple=1),
    "zero_in_shape": one(b"", shape="(0, 3)"),
    "header_of_10000": raw(words() + " " * (9999 - len(words())), multiple=1),
    **{f"dtype_{d}": saved(np.array([0, 1, 100], d)) for d in
       ("float16", "float64", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")},
}

BAD = [
    # The first bytes.
    ("magic_only", WHOLE[:6], "the file ends inside the version"),
    ("major_only", WHOLE[:7], "the file ends inside the version"),
    ("version_only", WHOLE[:8], "the file ends inside the header's length"),
    ("half_length", WHOLE[:9], "the file ends inside the header's length"),
    ("half_length_version_2", saved(A, (2, 0))[:11], "the file ends inside the header's length"),
    ("version_0", b"\x93NUMPY\0\0" + WHOLE[8:], ".npy version 0.0: expected 1.0, 2.0 or 3.0"),
    ("version_1_1", b"\x93NUMPY\1\1" + WHOLE[8:], ".npy version 1.1"),
    ("version_4", b"\x93NUMPY\4\0" + WHOLE[8:], ".npy version 4.0"),
    ("version_255", b"\x93NUMPY\xff\xff" + WHOLE[8:], ".npy version 255.255"),
    ("magic_in_capitals", b"\x93NUMPy" + WHOLE[6:], "is it a safetensors file?"),
    ("zip_archive", b"PK\x03\x04" + bytes(60), "a zip archive (.npz, .pt)"),
    # The length of the header.
    ("length_zero", with_length(0), "header: expected a line feed at its end"),
    ("length_beyond_file", with_length(1000), "a header of 1000 bytes: the file goes on for"),
    ("length_over_limit", raw(words() + " " * 9999), "at most 10000 may be"),
    ("length_65535", with_length(65535), "at most 10000 may be"),
    ("length_all_ones", b"\x93NUMPY\2\0" + b"\xff" * 4 + WHOLE[10:], "a header of 4294967295 bytes"),
    ("length_short", with_length(117), "header: expected a line feed at its end"),
    ("length_long", with_length(119), "header: expected a line feed at its end"),
    ("cut_in_header", WHOLE[:60], "the file goes on for 50"),
    ("no_line_feed", raw(words(), end=" "), "header: expected a line feed at its end"),
    # The dict.
    ("nothing", raw(""), "header: byte 54: expected '{', got the end"),
    ("no_dict", raw("('<f4', False, (2, 3))"), "expected '{', got '('"),
    ("empty_dict", raw("{}"), "descr is missing"),
    ("open_dict", raw(words()[:-1]), "expected a string, got the end"),
    ("two_dicts", raw(words() * 2), "expected nothing more, got '{'"),
    ("text_behind", raw(words() + " x"), "expected nothing more, got 'x'"),
    ("nul_padding", raw(words() + "\0\0"), "expected nothing more, got '"),
    ("comment", raw("# " + words()), "expected '{', got '#'"),
    ("comma_missing", raw(words().replace("False,", "False")), "expected ',' or '}', got '''"),
    ("comma_first", raw(words().replace("{", "{,")), "expected a string, got ','"),
    ("comma_twice", raw(words().replace(", }", ",, }")), "expected a string, got ','"),
    ("colon_missing", raw(words().replace("':", "'")), "expected ':', got '''"),
    ("key_without_quotes", raw(words().replace("'descr'", "descr")), "expected a string, got 'd'"),
    ("key_of_bytes", raw(words().replace("'descr'", "b'descr'")), "expected a string, got 'b'"),
    ("key_in_capitals", raw(words().replace("descr", "Descr")), 'got a key "Descr"'),
    ("key_with_escape", raw(words().replace("descr", r"d\x65scr")), "expected the end of the string, got '\\'"),
    ("key_surplus", raw(words().replace("}", "'order': 1}")), 'got a key "order"'),
    ("key_twice", raw(words().replace("}", "'descr': '<f4'}")), "descr stands there twice"),
    ("descr_missing", raw("{'fortran_order': False, 'shape': (2, 3)}"), "descr is missing"),
    ("order_missing", raw("{'descr': '<f4', 'shape': (2, 3)}"), "fortran_order is missing"),
    ("shape_missing", raw("{'descr': '<f4', 'fortran_order': False}"), "shape is missing"),
    ("string_open", raw("{'descr"), "expected the end of the string"),
    # The shape.
    ("shape_list", one(shape="[2, 3]"), "expected a tuple of sizes, got '['"),
    ("shape_number", one(shape="6"), "expected a tuple of sizes, got '6'"),
    ("shape_in_brackets", one(shape="(6)"), "expected ',', got ')'"),
    ("shape_text", one(shape="'(2, 3)'"), "expected a tuple of sizes, got '''"),
    ("shape_none", one(shape="None"), "expected a tuple of sizes, got 'N'"),
    ("shape_open", one(shape="(2, 3"), "expected a size, got '}'"),
    ("shape_comma_only", one(shape="(,)"), "expected a size, got ','"),
    ("shape_two_commas", one(shape="(2,,3)"), "expected a size, got ','"),
    ("shape_negative", one(shape="(-2, -3)"), "expected a size, got '-'"),
    ("shape_plus", one(shape="(+2, 3)"), "expected a size, got '+'"),
    ("shape_fraction", one(shape="(2.0, 3)"), "expected ',' or ')', got '.'"),
    ("shape_hexadecimal", one(shape="(0x2, 3)"), "expected ',' or ')', got 'x'"),
    ("shape_underscore", one(shape="(2, 0_3)"), "expected ',' or ')', got '_'"),
    ("shape_zero_in_front", one(shape="(02, 3)"), "expected a size"),
    ("shape_true", one(shape="(True, 6)"), "expected a size, got 'T'"),
    ("shape_sum", one(shape="(1+1, 3)"), "expected ',' or ')', got '+'"),
    ("shape_long_in_version_3", raw(words(shape="(2L, 3L)"), version=(3, 0)), "expected ',' or ')', got 'L'"),
    ("shape_dim_overflows", one(shape="(9223372036854775808, 1)"), "dim 0 overflows"),
    ("shape_product_overflows", one(shape="(4294967296, 4294967296, 2)"), "the number of elements overflows"),
    ("shape_bytes_overflow", one(shape="(4611686018427387910,)"), "the number of bytes overflows"),
    ("nine_dims", one(shape="(1, 1, 1, 1, 1, 1, 1, 2, 3)"), "expected at most 8 dims, got 9"),
    # fortran_order.
    ("order_fortran", saved(np.asfortranarray(A)), "numpy.ascontiguousarray"),
    ("order_number", one(order="0"), "expected True or False, got '0'"),
    ("order_text", one(order="'False'"), "expected True or False, got '''"),
    ("order_none", one(order="None"), "expected True or False, got 'N'"),
    ("order_lower_case", one(order="false"), "expected True or False, got 'f'"),
    # The dtype.
    ("dtype_objects", one(descr="'|O'"), "dtype |O: Python objects (pickle) are never read"),
    ("dtype_objects_8", one(descr="'O8'"), "Python objects (pickle) are never read"),
    ("dtype_objects_big_endian", one(descr="'>O'"), "Python objects (pickle) are never read"),
    ("dtype_big_endian", saved(A.astype(">f4")), "dtype >f4: big-endian"),
    ("dtype_big_endian_ints", saved(np.arange(3).astype(">i8")), "dtype >i8: big-endian"),
    ("dtype_structured", saved(np.zeros(2, [("id", "<i8"), ("v", "<f4", 4)])), "a structured dtype"),
    ("dtype_array", one(descr="('<f4', (3,))", shape="(2,)"), "a dtype of arrays"),
    ("dtype_text", saved(np.array(["ab", "c"])), "dtype <U2: expected little-endian numbers"),
    ("dtype_bytes", saved(np.array([b"ab", b"c"])), "dtype |S2: expected little-endian numbers"),
    ("dtype_complex", saved(np.zeros(3, np.complex64)), "dtype <c8: expected little-endian numbers"),
    ("dtype_dates", saved(np.zeros(3, "<M8[s]")), "dtype <M8[s]: expected little-endian numbers"),
    ("dtype_void", saved(np.zeros(6, "V2")), "dtype |V2: raw bytes without a type; .npy cannot say BF16"),
    ("dtype_long_double", saved(np.zeros(3, np.longdouble)), "dtype <f16: expected little-endian numbers"),
    ("dtype_of_no_size", one(descr="'<f3'"), "dtype <f3: expected little-endian numbers"),
    ("dtype_native", one(descr="'=f4'"), "dtype =f4: expected little-endian numbers"),
    ("dtype_without_order", one(descr="'f4'"), "dtype f4: expected little-endian numbers"),
    ("dtype_name", one(descr="'float32'"), "dtype float32: expected little-endian numbers"),
    ("dtype_empty", one(descr="''"), "expected little-endian numbers"),
    ("dtype_order_only", one(descr="'<'"), "expected little-endian numbers"),
    ("dtype_none", one(descr="None"), "expected a string, got 'N'"),
    ("dtype_number", one(descr="4"), "expected a string, got '4'"),
    ("dtype_bfloat16", one(descr="'bfloat16'", shape="(2, 6)"), "expected little-endian numbers"),
    # The data.
    ("no_data", WHOLE[:128], "dtype and shape take 24 bytes, the file has 0"),
    ("cut_last_byte", WHOLE[:-1], "dtype and shape take 24 bytes, the file has 23"),
    ("scalar_cut", saved(np.float64(2.5))[:-1], "dtype and shape take 8 bytes, the file has 7"),
    ("trailing_byte", WHOLE + b"\0", "1 bytes after the array's 24: expected one array"),
    ("two_arrays", WHOLE + WHOLE, "152 bytes after the array's 24: expected one array"),
    ("no_elements_but_bytes", one(shape="(0, 3)"), "24 bytes after the array's 0: expected one array"),
]

# What numpy reads all the same: other dtypes and orders, what only Python would read as a
# header, and whatever stands behind the array.
ACCEPTED = {
    "no_line_feed", "length_short", "key_with_escape", "key_twice",
    "shape_plus", "shape_hexadecimal", "nine_dims", "order_fortran",
    "dtype_big_endian", "dtype_big_endian_ints", "dtype_structured", "dtype_text", "dtype_bytes",
    "dtype_complex", "dtype_dates", "dtype_void", "dtype_long_double", "dtype_native",
    "dtype_without_order", "dtype_name",
    "trailing_byte", "two_arrays", "no_elements_but_bytes",
}
