# SPDX-License-Identifier: Apache-2.0
"""The .safetensors cases of make.py: files that must be read, and files that must not."""

import json

import numpy as np
import safetensors
import safetensors.numpy

A = np.array([[1.5, -2.0, 3.25], [0.0, np.nan, -np.inf]], np.float32)
B = np.array([1.0, 2.0, 65504.0, -0.5], np.float16)
WHOLE = safetensors.numpy.save({"a": A, "b": B}, metadata={"made by": "numpy"})
LENGTH = int.from_bytes(WHOLE[:8], "little")
HEADER, DATA = WHOLE[8 : 8 + LENGTH], WHOLE[8 + LENGTH :]


def read(blob):
    """What the format's own reader finds: {name: [dtype, shape, hex of the data]}."""
    return {
        name: [t["dtype"], t["shape"], bytes(t["data"]).hex()]
        for name, t in safetensors.deserialize(blob)
    }


def raw(header, data=DATA):
    """A file of these bytes as header, its length in front."""
    header = header.encode() if isinstance(header, str) else header
    return len(header).to_bytes(8, "little") + header + data


def file(header, data=DATA):
    return raw(json.dumps(header, separators=(",", ":"), ensure_ascii=False), data)


def tensor(dtype="F32", shape=(2, 3), offsets=(0, 24), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


def one(data=bytes(24), **changes):
    """A file with one tensor "a", some of whose fields are different; None leaves one out."""
    entry = {**tensor(), **changes}
    return file({"a": {k: v for k, v in entry.items() if v is not None}}, data)


def text(entry, data=bytes(24)):
    """A file with one tensor "a", its entry spelt out."""
    return raw('{"a":{' + entry + "}}", data)


DTYPES = "BOOL U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ U16 I16 F16 BF16 U32 I32 F32 C64 U64 I64 F64"
SIZES = [1] * 8 + [2] * 4 + [4] * 3 + [8] * 4


def every_dtype():
    header, begin = {}, 0
    for dtype, size in zip(DTYPES.split(), SIZES):
        header[f"of {dtype}"] = tensor(dtype, (2,), (begin, begin + 2 * size))
        begin += 2 * size
    return file(header, bytes(i % 251 for i in range(begin)))


OK = {
    "whole": WHOLE,
    "no_tensors": safetensors.numpy.save({}),
    "metadata_only": file({"__metadata__": {"a": "b", "": "\0 and \n"}}, b""),
    "scalar": safetensors.numpy.save({"s": np.array(2.5)}),
    "no_elements": safetensors.numpy.save({"z": np.zeros((0, 7), np.int64), "a": A}),
    "no_elements_in_one_place": file(
        {"b": tensor("F32", (0,), (24, 24)), "a": tensor(), "c": tensor("U8", (3, 0), (24, 24)),
         "d": tensor("U8", (0, 9), (0, 0))}, bytes(range(24))),
    "every_dtype": every_dtype(),
    "half_bytes": file({"a": tensor("F4", (4,), (0, 2)), "b": tensor("F6_E2M3", (4,), (2, 5)),
                        "c": tensor("F6_E3M2", (8,), (5, 11))}, bytes(range(11))),
    "spaces_in_front": raw(b" \n\t\r" * 20 + HEADER),
    "spaces_behind": raw(HEADER.rstrip() + b"\n\t \r" * 9),
    "spaces_inside": raw(json.dumps(json.loads(HEADER), indent=3)),
    "not_aligned": file({"a": tensor("U8", (3,), (0, 3)), "b": tensor("F32", (1,), (3, 7))},
                        bytes(range(7))),
    "not_in_order": file({"b": tensor("U8", (4,), (20, 24)), "a": tensor("F32", (5,), (0, 20))},
                         bytes(range(24))),
    "unknown_field": one(sha256="0000", extra=[{"deep": None}]),
    "names": file({"": tensor("U8", (1,), (0, 1)), "é 日本": tensor("U8", (1,), (1, 2)),
                   "a\nb\"\\": tensor("U8", (1,), (2, 3)), "__metadata": tensor("U8", (1,), (3, 4))},
                  b"abcd"),
    "escaped_name": raw(r'{"\u0061\u00e9\ud83d\ude00":{"dtype":"\u00558","shape":[1],"data_offsets":[0,1]}}',
                        b"x"),
    "eight_dims": file({"a": tensor("U8", (1, 1, 2, 1, 1, 3, 1, 1), (0, 6))}, bytes(6)),
}

OVERFLOW = [1 << 32, 1 << 32, 2]

BAD = [
    # The length of the header.
    ("empty_file", b"", "the file is empty"),
    ("one_byte", b"\x01", "expected 8 bytes for the length of the header, the file has 1"),
    ("seven_bytes", bytes(7), "expected 8 bytes for the length of the header, the file has 7"),
    ("length_only", bytes(8), "header: byte 0"),
    ("length_zero", bytes(8) + HEADER + DATA, "header: byte 0"),
    ("length_beyond_file", (len(WHOLE) - 7).to_bytes(8, "little") + WHOLE[8:], "the file goes on for"),
    ("length_over_limit", (100_000_001).to_bytes(8, "little") + WHOLE[8:], "at most 100000000 may be"),
    ("length_sign_bit", (1 << 63).to_bytes(8, "little") + WHOLE[8:], "a header of 9223372036854775808"),
    ("length_all_ones", b"\xff" * 8 + WHOLE[8:], "a header of 18446744073709551615"),
    ("length_big_endian", LENGTH.to_bytes(8, "big") + WHOLE[8:], "at most 100000000 may be"),
    ("length_short", (len(HEADER.rstrip()) - 1).to_bytes(8, "little") + WHOLE[8:], "header: byte"),
    ("length_long", (LENGTH + 1).to_bytes(8, "little") + WHOLE[8:], "header: byte"),
    ("git_lfs_pointer", b"version https://git-lfs.github.com/spec/v1\n", "is it a safetensors file?"),
    ("zip_archive", b"PK\x03\x04" + bytes(60), "a zip archive"),
    # The file cut short, or too long.
    ("cut_in_header", WHOLE[: 8 + LENGTH // 2], "the file goes on for"),
    ("cut_before_data", WHOLE[: 8 + LENGTH], "the file has 0 bytes of data"),
    ("cut_in_data", WHOLE[: 8 + LENGTH + 10], "the file has 10 bytes of data"),
    ("cut_last_byte", WHOLE[:-1], "data_offsets end at 32: the file has 31 bytes of data"),
    ("trailing_byte", WHOLE + b"\0", "1 bytes of data after the last tensor's 32"),
    ("trailing_page", WHOLE + bytes(4096), "4096 bytes of data after"),
    ("data_without_tensors", file({}, bytes(4)), "4 bytes of data after the last tensor's 0"),
    # The JSON.
    ("json_none", raw("hello"), "header: byte"),
    ("json_list", raw("[]"), "header: expected a JSON object"),
    ("json_number", raw("1"), "header: byte"),
    ("json_null", raw("null"), "header: byte"),
    ("json_string", raw('"a"'), "header: byte"),
    ("json_spaces", raw(" " * 16), "header: byte"),
    ("json_open", raw(HEADER.rstrip()[:-1]), "header: byte"),
    ("json_twice", raw("{}{}", b""), "end of file expected"),
    ("json_trailing_comma", raw('{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},}', bytes(24)), "header: byte"),
    ("json_single_quotes", raw(HEADER.replace(b'"', b"'")), "header: byte"),
    ("json_comment", raw(b"/* */" + HEADER), "header: byte"),
    ("json_byte_order_mark", raw(b"\xef\xbb\xbf" + HEADER), "header: byte"),
    ("json_nul_padding", raw(HEADER.rstrip() + bytes(8)), "header: byte"),
    ("json_vertical_tab", raw(b"\x0b" + HEADER), "header: byte"),
    ("json_utf16", raw(HEADER.decode().encode("utf-16-le")), "header: byte"),
    ("json_latin1", raw(HEADER.replace(b'"a"', b'"\xe9"')), "header: byte"),
    ("json_overlong", raw(HEADER.replace(b'"a"', b'"\xc0\xaf"')), "header: byte"),
    ("json_surrogate", raw(HEADER.replace(b'"a"', rb'"\ud800"')), "header: byte"),
    ("json_line_feed_in_name", raw(HEADER.replace(b'"a"', b'"a\n"')), "header: byte"),
    ("json_deep", raw("[" * 3000 + "]" * 3000), "header: byte"),
    ("json_deep_field", text('"x":' + "[" * 3000 + "]" * 3000), "header: byte"),
    ("json_not_a_number", one(shape=[float("nan"), 3]), "header: byte"),
    ("name_with_nul", raw(HEADER.replace(b'"a"', rb'"a\u0000"')), "NUL"),
    ("name_twice", text('"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},'
                        '"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]'), "duplicate"),
    # The metadata.
    ("metadata_twice", raw('{"__metadata__":{},"__metadata__":{}}', b""), "duplicate"),
    ("metadata_key_twice", raw('{"__metadata__":{"a":"b","a":"c"}}', b""), "duplicate"),
    ("metadata_null", file({"__metadata__": None}, b""), "expected __metadata__ to be an object"),
    ("metadata_string", file({"__metadata__": "a"}, b""), "expected __metadata__ to be an object"),
    ("metadata_list", file({"__metadata__": ["a"]}, b""), "expected __metadata__ to be an object"),
    ("metadata_number_inside", file({"__metadata__": {"n": 1}}, b""), '__metadata__: expected "n" to be a string'),
    ("metadata_null_inside", file({"__metadata__": {"n": None}}, b""), '__metadata__: expected "n" to be a string'),
    ("metadata_object_inside", file({"__metadata__": {"n": {}}}, b""), '__metadata__: expected "n" to be a string'),
    # The fields of a tensor.
    ("tensor_null", file({"a": None}, b""), 'tensor "a": expected an object'),
    ("tensor_string", file({"a": "F32"}, b""), 'tensor "a": expected an object'),
    ("tensor_list", file({"a": ["F32", [2, 3], [0, 24]]}, bytes(24)), 'tensor "a": expected an object'),
    ("tensor_empty", file({"a": {}}, b""), 'tensor "a": expected dtype to be a string'),
    ("dtype_missing", one(dtype=None), "expected dtype to be a string"),
    ("dtype_number", one(dtype=32), "expected dtype to be a string"),
    ("dtype_unknown", one(dtype="F128"), 'dtype "F128" is not one that safetensors has'),
    ("dtype_lower_case", one(dtype="f32"), 'dtype "f32" is not one'),
    ("dtype_of_numpy", one(dtype="<f4"), 'dtype "<f4" is not one'),
    ("dtype_with_nul", one(dtype="F32\0"), 'dtype "F32" is not one'),
    ("dtype_twice", text('"dtype":"F32","dtype":"F32","shape":[2,3],"data_offsets":[0,24]'), "duplicate"),
    ("shape_missing", one(shape=None), "expected shape to be a list of sizes"),
    ("shape_number", one(shape=6), "expected shape to be a list of sizes"),
    ("shape_text", one(shape="2,3"), "expected shape to be a list of sizes"),
    ("shape_of_text", one(shape=["2", "3"]), "expected dim 0 of shape to be a size"),
    ("shape_nested", one(shape=[[2, 3]]), "expected dim 0 of shape to be a size"),
    ("shape_fraction", one(shape=[2, 3.0]), "expected dim 1 of shape to be a size"),
    ("shape_exponent", text('"dtype":"F32","shape":[6e0],"data_offsets":[0,24]'), "expected dim 0 of shape"),
    ("shape_negative", one(shape=[-2, -3]), "expected dim 0 of shape to be a size"),
    ("shape_null_inside", one(shape=[6, None]), "expected dim 1 of shape to be a size"),
    ("shape_true_inside", one(shape=[6, True]), "expected dim 1 of shape to be a size"),
    ("shape_two_to_the_64", one(shape=[1 << 64]), "header: byte"),
    ("shape_product_overflows", one(shape=OVERFLOW), "the number of elements overflows"),
    ("shape_product_overflows_to_zero", one(b"", shape=OVERFLOW + [0], data_offsets=[0, 0]), "the number of elements overflows"),
    ("shape_bits_overflow", one(shape=[1 << 60]), "the number of bits overflows"),
    ("shape_wraps_to_the_size", one(shape=[(1 << 59) + 6]), "the number of bits overflows"),
    ("half_byte", one(bytes(2), dtype="F4", shape=[3], data_offsets=[0, 2]), "do not end with a byte"),
    ("six_bits", one(bytes(1), dtype="F6_E2M3", shape=[1], data_offsets=[0, 1]), "do not end with a byte"),
    ("offsets_missing", one(data_offsets=None), "expected data_offsets to be two sizes"),
    ("offsets_one", one(data_offsets=[24]), "expected data_offsets to be two sizes"),
    ("offsets_three", one(data_offsets=[0, 24, 24]), "expected data_offsets to be two sizes"),
    ("offsets_object", one(data_offsets={"begin": 0, "end": 24}), "expected data_offsets to be two sizes"),
    ("offsets_fraction", one(data_offsets=[0.0, 24.0]), "expected data_offsets to be two sizes"),
    ("offsets_text", one(data_offsets=["0", "24"]), "expected data_offsets to be two sizes"),
    ("offsets_negative", one(data_offsets=[-24, 0]), "expected data_offsets to be two sizes"),
    ("offsets_two_to_the_64", one(data_offsets=[0, 1 << 64]), "header: byte"),
    ("offsets_backwards", one(data_offsets=[24, 0]), "data_offsets end at 0, before they begin at 24"),
    ("offsets_beyond", one(data_offsets=[24, 48]), "data_offsets end at 48: the file has 24 bytes"),
    ("offsets_huge", one(data_offsets=[(1 << 63) - 25, (1 << 63) - 1]), "data_offsets end at 9223372036854775807"),
    ("offsets_of_the_file", raw(b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[64,68]}} ', bytes(4)), "data_offsets end at 68"),
    # Sizes and places that disagree.
    ("size_too_small", one(data_offsets=[0, 20], data=bytes(20)), "dtype and shape take 24 bytes, data_offsets 20"),
    ("size_too_large", one(data_offsets=[0, 28], data=bytes(28)), "dtype and shape take 24 bytes, data_offsets 28"),
    ("scalar_of_two", one(bytes(8), shape=[], data_offsets=[0, 8]), "dtype and shape take 4 bytes, data_offsets 8"),
    ("no_elements_but_bytes", one(bytes(4), shape=[0, 1], data_offsets=[0, 4]), "dtype and shape take 0 bytes, data_offsets 4"),
    ("hole_in_front", one(bytes(32), data_offsets=[8, 32]), "a hole: expected data_offsets to begin at 0, got 8"),
    ("hole_between", file({"a": tensor(), "b": tensor("U8", (4,), (28, 32))}), "a hole: expected data_offsets to begin at 24, got 28"),
    ("hole_before_no_elements", file({"a": tensor(), "b": tensor("U8", (0,), (32, 32))}), "a hole: expected data_offsets to begin at 24, got 32"),
    ("overlap", file({"a": tensor(), "b": tensor("U8", (12,), (20, 32))}), "an overlap: expected data_offsets to begin at 24, got 20"),
    ("overlap_inside", file({"a": tensor(), "b": tensor("U8", (4,), (8, 12))}, bytes(24)), "an overlap"),
    ("one_place_for_two", file({"a": tensor(), "b": tensor()}, bytes(24)), "an overlap"),
    ("no_elements_inside_another", file({"a": tensor(), "b": tensor("U8", (0,), (8, 8))}, bytes(24)), "an overlap"),
    # Read, but not asked for: a tensor has at most eight dims here.
    ("nine_dims", one(shape=[1] * 7 + [2, 3]), "expected at most 8 dims, got 9"),
]

# What the format's own reader accepts all the same: the README forbids names that stand twice
# and metadata that is no object of strings.
ACCEPTED = {"name_with_nul", "name_twice", "metadata_key_twice", "metadata_null", "tensor_list", "nine_dims"}
