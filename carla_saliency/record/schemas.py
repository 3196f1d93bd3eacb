"""Messages that describe themselves: our own, and those of Foxglove."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

PACKAGE = "carla_saliency"
_TYPES = {
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "float": FieldDescriptorProto.TYPE_FLOAT,
    "int": FieldDescriptorProto.TYPE_INT64,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "string": FieldDescriptorProto.TYPE_STRING,
}


@dataclass(frozen=True)
class Schema:
    """Of one kind of message.

    Attributes:
        name: With its package.
        data: A serialised FileDescriptorSet with all that the message needs: what readers that
            know nothing of it decode it by.
        message: Its protobuf class.
    """

    name: str
    data: bytes
    message: Any


def own_schemas(messages: Mapping[str, str]) -> dict[str, Schema]:
    """Return the schemas of messages of ours, by name.

    Args:
        messages: Name -> its fields, "name:type" with spaces between; the type is double, float,
            int, bool, string or a message named before, with "?" behind it where the value can be
            missing and "*" where there can be any number. A field's number is its place, so that a
            new one must come last and none may ever go.
    """
    file = FileDescriptorProto(name=f"{PACKAGE}/record.proto", package=PACKAGE, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, text in enumerate(fields.split(), start=1):
            _add_field(message, number, *text.split(":"))
    data = FileDescriptorSet(file=[file]).SerializeToString()
    return {name: schema_from(f"{PACKAGE}.{name}", data) for name in messages}


def schema_from(name: str, data: bytes) -> Schema:
    """Return the schema of a message from its name and a serialised FileDescriptorSet."""
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(data).file:
        pool.Add(file)
    descriptor = pool.FindMessageTypeByName(name)
    return Schema(name, data, GetMessageClass(descriptor))


def _add_field(message: DescriptorProto, number: int, name: str, kind: str) -> None:
    plain = kind.rstrip("?*")
    many = kind.endswith("*")
    field = message.field.add(
        name=name,
        number=number,
        label=FieldDescriptorProto.LABEL_REPEATED if many else FieldDescriptorProto.LABEL_OPTIONAL,
    )
    if plain in _TYPES:
        field.type = _TYPES[plain]
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{plain}"
    if kind.endswith("?") and plain in _TYPES:  # proto3 writes "may be missing" as a oneof of one
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")
