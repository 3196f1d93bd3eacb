"""Arrays from an .npz file that may come from anywhere.

`numpy.load` believes every size that a file claims; here no more is unpacked than was agreed.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"\x93NUMPY\x01\x00"
# As NumPy writes it; its own reader takes any Python literal, and fails in many ways.
HEADER = re.compile(
    rb"\{'descr': '([<|](?:f[248]|[iu][1248]|U[1-9]\d{0,3}))', 'fortran_order': False, "
    rb"'shape': \(((?:\d{1,9}(?:, ?|(?=\))))*)\), \} *\n"
)

# What zipfile raises for damage, a password, or a way of packing that it lacks.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


def unpacked(data: bytes, most_bytes: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz by name.

    Args:
        data: The file.
        most_bytes: That all of them may have.

    Raises:
        ValueError: If a part is no plain array, there is too much, or the file is damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > most_bytes:
                raise ValueError(f"it unpacks to more than {most_bytes} bytes")
            return {
                member.filename.removesuffix(".npy"): _parsed(_content(archive, member))
                for member in archive.infolist()
            }
    except DAMAGED:
        raise ValueError("it is no whole .npz file: copy it again") from None


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("it is packed in another way than NumPy's")
    with archive.open(member) as part:  # without a size it unpacks more than the member claims
        return part.read(member.file_size)


def _parsed(data: bytes) -> NDArray[Any]:
    if data[: len(MAGIC)] != MAGIC:
        raise ValueError("a part of it is no array of NumPy's format 1.0")
    begin = len(MAGIC) + 2
    end = begin + int.from_bytes(data[len(MAGIC) : begin], "little")
    header, content = HEADER.fullmatch(data[begin:end]), data[end:]
    if header is None or not content:
        raise ValueError("a part of it is no plain array")
    kind = np.dtype(header[1].decode())
    shape = tuple(int(length) for length in header[2].split(b",") if length.strip())
    if math.prod(shape) * kind.itemsize != len(content):
        raise ValueError("a part of it is cut short")
    return np.frombuffer(content, kind).reshape(shape)
