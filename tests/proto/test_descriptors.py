# SPDX-License-Identifier: Apache-2.0
"""Our .proto files against the real ones, field by field.

The real ones are the descriptors inside the stock clients on PyPI; ours are what protoc makes of
proto/. On the wire a message is its field numbers and types; names matter for reflection, JSON
and maps, so they are compared too. model_config.proto may hold a part of the real file.
"""
import pathlib
import shutil
import subprocess

import pytest
from google.protobuf import descriptor_pb2

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"

health_pb2 = pytest.importorskip("grpc_health.v1.health_pb2")
reflection_pb2 = pytest.importorskip("grpc_reflection.v1alpha.reflection_pb2")
service_pb2 = pytest.importorskip("tritonclient.grpc.service_pb2")
model_config_pb2 = pytest.importorskip("tritonclient.grpc.model_config_pb2")

# (our file, the real descriptor, may ours leave things out?)
PAIRS = {
    "open_inference": (service_pb2, False),
    "model_config": (model_config_pb2, True),
    "health": (health_pb2, False),
    "reflection_v1alpha": (reflection_pb2, False),
}


@pytest.fixture(scope="session")
def ours(tmp_path_factory):
    assert shutil.which("protoc"), "protoc is needed (Debian: protobuf-compiler)"
    out = tmp_path_factory.mktemp("proto") / "set.binpb"
    files = sorted(PROTO.glob("*.proto"))
    subprocess.run(["protoc", f"--descriptor_set_out={out}", "--include_imports", "-I", PROTO,
                    *files], check=True)
    files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    return {pathlib.PurePath(f.name).stem: f for f in files}


def real_file(module):
    out = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(out)
    return out


def field_fact(field, message):
    """All of a field that clients can tell apart."""
    oneof = ""
    if field.HasField("oneof_index") and not field.proto3_optional:
        oneof = message.oneof_decl[field.oneof_index].name
    packed = field.options.packed if field.options.HasField("packed") else None
    return (field.name, field.type, field.label, field.type_name.lstrip("."), oneof, packed,
            field.proto3_optional)


def enum_facts(enum, prefix):
    return {(prefix + enum.name, value.number): value.name for value in enum.value}


def facts(file):
    """{(message, field number): fact}, {(enum, number): name} and the set of messages."""
    fields, enums, messages = {}, {}, set()

    def walk(message, prefix):
        name = prefix + message.name
        messages.add((name, message.options.map_entry))
        for field in message.field:
            fields[name, field.number] = field_fact(field, message)
        for nested in message.nested_type:
            walk(nested, name + ".")
        for enum in message.enum_type:
            enums.update(enum_facts(enum, name + "."))

    for message in file.message_type:
        walk(message, "")
    for enum in file.enum_type:
        enums.update(enum_facts(enum, ""))
    return fields, enums, messages


def methods(file):
    return {(s.name, m.name): (m.input_type, m.output_type, m.client_streaming, m.server_streaming)
            for s in file.service for m in s.method}


@pytest.mark.parametrize("name", PAIRS)
def test_same_on_the_wire(ours, name):
    module, part = PAIRS[name]
    mine, real = ours[name], real_file(module)
    assert mine.package == real.package
    assert mine.syntax == real.syntax
    assert methods(mine) == methods(real)
    for own, theirs in zip(facts(mine), facts(real)):
        if part and isinstance(own, dict):
            theirs = {k: theirs.get(k) for k in own}
        elif part:
            theirs = theirs & own
        assert own == theirs
    assert len(facts(mine)[0]) > 0


def test_reflection_v1_is_v1alpha(ours):
    """PyPI's package has v1alpha only; the two differ in their package name and nothing else."""
    assert ours["reflection_v1"].package == "grpc.reflection.v1"
    v1, old = facts(ours["reflection_v1"]), facts(ours["reflection_v1alpha"])
    renamed = {k: tuple(x.replace("v1alpha", "v1") if isinstance(x, str) else x for x in v)
               for k, v in old[0].items()}
    assert v1[0] == renamed and v1[1:] == old[1:]


def test_messages_of_ours_read_as_theirs(ours):
    """Bytes written with our descriptors, read by the stock client's classes."""
    from google.protobuf import descriptor_pool, message_factory

    pool = descriptor_pool.DescriptorPool()
    for name in ("model_config", "open_inference"):
        pool.Add(ours[name])
    request = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("inference.ModelInferRequest"))()
    request.model_name, request.id = "m", "7"
    tensor = request.inputs.add(name="x", datatype="FP32", shape=[2, 3])
    tensor.parameters["k"].int64_param = 5
    tensor.contents.fp32_contents.extend([1, 2, 3, 4, 5, 6])
    request.raw_input_contents.append(b"raw")
    theirs = service_pb2.ModelInferRequest.FromString(request.SerializeToString())
    assert theirs.inputs[0].contents.fp32_contents == [1, 2, 3, 4, 5, 6]
    assert theirs.inputs[0].parameters["k"].int64_param == 5
    assert theirs.raw_input_contents[0] == b"raw" and theirs.model_name == "m"
