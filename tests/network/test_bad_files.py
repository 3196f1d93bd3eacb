"""Broken and hostile model files: one clear line, soon and with little memory; nothing runs."""

from __future__ import annotations

import json
import pickle
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from keras_files import (
    functional,
    input_layer,
    layer,
    random,
    sequential,
    write_h5,
    write_keras,
)

KERNEL, BIAS = random(1, 24, 1), random(2, 1)
DENSE = layer("Dense", "steer", units=1)
TINY = sequential(input_layer("image", 2, 4, 3), layer("Flatten", "flat"), DENSE)
STORED = {"steer": {"kernel:0": KERNEL, "bias:0": BIAS}}

# Each file is given five seconds (the alarm ends the process) and 1 GiB of address space.
CHILD = """
import resource, signal, sys
from carla_saliency.errors import BadInputError
from carla_saliency.network import files
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
for path in sys.argv[1:]:
    signal.alarm(5)
    try:
        files.load(path)
        print("read")
    except BadInputError as error:
        print("refused", error)
"""


def outcomes(*paths: Path) -> list[str]:
    """What the files came to, one line for each."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def tiny_h5(path: Path, config: Any = TINY) -> Path:
    return write_h5(path, config, STORED)


def tiny_keras(path: Path, config: Any = TINY) -> Path:
    return write_keras(path, config, {"dense": (KERNEL, BIAS)})


FORMATS = {"h5": tiny_h5, "keras": tiny_keras}


def mostly_bytes(whole: bytes, seed: int) -> bytes:
    """The file with some pairs of bytes exchanged."""
    rng, mixed = np.random.default_rng(seed), bytearray(whole)
    for one, two in rng.integers(0, len(mixed), (1 + seed % 40, 2)):
        mixed[one], mixed[two] = mixed[two], mixed[one]
    return bytes(mixed)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_cut_at_each_tenth_is_refused(tmp_path: Path, suffix: str) -> None:
    whole = FORMATS[suffix](tmp_path / f"m.{suffix}").read_bytes()
    paths = [tmp_path / f"{tenth}.{suffix}" for tenth in range(10)]
    for tenth, path in enumerate(paths):
        path.write_bytes(whole[: len(whole) * tenth // 10])
    lines = outcomes(*paths)
    assert len(lines) == 10
    assert all(line.startswith("refused") for line in lines)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_with_swapped_bytes_is_read_or_refused(tmp_path: Path, suffix: str) -> None:
    whole = FORMATS[suffix](tmp_path / f"m.{suffix}").read_bytes()
    paths = [tmp_path / f"{seed}.{suffix}" for seed in range(150)]
    for seed, path in enumerate(paths):
        path.write_bytes(mostly_bytes(whole, seed))
    lines = outcomes(*paths)
    assert len(lines) == 150
    assert all(line == "read" or line.startswith("refused") for line in lines)


# ------------------------------------------------------------------ made to harm


def with_dataset(path: Path, make: Callable[[h5py.Group], None]) -> Path:
    write_h5(path, TINY, {"steer": {"bias:0": BIAS}})
    with h5py.File(path, "a") as file:
        group = file["model_weights/steer"]
        make(group)
        group.attrs["weight_names"] = [b"kernel:0", b"bias:0"]
    return path


def huge(group: h5py.Group) -> None:
    group.create_dataset("kernel:0", (10**6, 10**6), "f4", chunks=(1000, 1000))


def large(group: h5py.Group) -> None:
    group.create_dataset("kernel:0", (24, 5_000_000), "f8", chunks=(24, 1000))


def huge_chunk(group: h5py.Group) -> None:
    group.create_dataset("kernel:0", (24, 1), "f4", chunks=(2**28, 1), maxshape=(None, 1))


def elsewhere(group: h5py.Group) -> None:
    with h5py.File(Path(group.file.filename).with_name("other.h5"), "w") as file:
        file["kernel"] = KERNEL
    group["kernel:0"] = h5py.ExternalLink("other.h5", "/kernel")


def outside(group: h5py.Group) -> None:
    raw = Path(group.file.filename).with_name("raw")
    raw.write_bytes(KERNEL.tobytes())
    group.create_dataset("kernel:0", (24, 1), "f4", external=[(str(raw), 0, 96)])


def virtual(group: h5py.Group) -> None:
    source = h5py.VirtualSource("other.h5", "kernel", shape=(24, 1))
    layout = h5py.VirtualLayout(shape=(24, 1), dtype="f4")
    layout[:] = source
    group.create_virtual_dataset("kernel:0", layout)


def circle(group: h5py.Group) -> None:
    group["kernel:0"] = h5py.SoftLink("/model_weights/steer/kernel:0")


def words(group: h5py.Group) -> None:
    group["kernel:0"] = ["a", "b"]


def a_group(group: h5py.Group) -> None:
    group.create_group("kernel:0")


def with_claimed_size(path: Path, member: str) -> Path:
    """A zip file that says that one part of it is 4 GB when it is unpacked."""
    tiny_keras(path)
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
    data = bytearray(path.read_bytes())
    claimed = struct.pack("<I", 0xFFFFFFF0)
    central = data.index(b"PK\x01\x02")
    while data[central + 46 : central + 46 + len(member)] != member.encode():
        central = data.index(b"PK\x01\x02", central + 4)
    for place in (info.header_offset + 22, central + 24):
        data[place : place + 4] = claimed
    path.write_bytes(data)
    return path


def zip_bomb(path: Path) -> Path:
    """Weights that are 200 MB of zeros in a file of less than 1 MB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("config.json", json.dumps(TINY))
        with archive.open("model.weights.h5", "w") as member:
            for _ in range(200):
                member.write(bytes(2**20))
    return path


def text_config(path: Path, text: str) -> Path:
    tiny_keras(path)
    with zipfile.ZipFile(path) as archive:
        weights = archive.read("model.weights.h5")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", text)
        archive.writestr("model.weights.h5", weights)
    return path


def doubling() -> Any:
    """Models inside models, each called twice: 2 to the power of 11 layers, or of none."""
    model = functional(
        input_layer("i", 2, 4, 3), layer("Flatten", "f", "i"), outputs=["f"], inputs=["i"]
    )
    for depth in range(11):
        inner = {**model, "name": f"m{depth}"}
        inner["config"] = {**inner["config"], "name": f"m{depth}"}
        name = f"m{depth}"
        calls: list[Any] = [[["i", 0, 0, {}]]]
        calls += [[[name, call, 0, {}]] for call in range(3)]
        inner["inbound_nodes"] = calls
        model = functional(input_layer("i", 2, 4, 3), inner, outputs=[name], inputs=["i"])
        model["config"]["output_layers"] = [[name, 3, 0]]
    return model


def deep() -> str:
    return '{"class_name": "Sequential", "config": ' + "[" * 100_000 + "]" * 100_000 + "}"


def deep_models() -> Any:
    model = TINY
    for _ in range(100):
        model = sequential(model)
    return model


def circle_of_layers() -> Any:
    loop = [layer("Dense", "a", "b", units=1), layer("Dense", "b", "a", units=1)]
    return functional(input_layer("image", 2, 4, 3), *loop, outputs=["a"])


def with_settings(**config: Any) -> Any:
    return sequential(input_layer("image", 2, 4, 3), layer("Flatten", "f"), layer(**config))


MANY = sequential(input_layer("image", 2, 4, 3), *[layer("Flatten", f"f{n}") for n in range(6000)])
WRONG = functional(input_layer("image", 2, 4, 3), layer("Dense", "a", "nobody"), outputs=["a"])

HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a dataset of 10^12 numbers": (lambda p: with_dataset(p, huge), "512 MiB of weights"),
    "a chunk of 1 GB": (lambda p: with_dataset(p, huge_chunk), "512 MiB of weights"),
    "weights in another file": (lambda p: with_dataset(p, elsewhere), "are in another file"),
    "weights in raw bytes": (lambda p: with_dataset(p, outside), "are in another file"),
    "virtual weights": (lambda p: with_dataset(p, virtual), "are in another file"),
    "a link to itself": (lambda p: with_dataset(p, circle), "too many links"),
    "weights that are words": (lambda p: with_dataset(p, words), "not an array of numbers"),
    "weights that are a group": (lambda p: with_dataset(p, a_group), "not an array of num"),
    "a configuration of 4 GB": (lambda p: with_claimed_size(p, "config.json"), "under 8 MiB"),
    "weights of 4 GB": (lambda p: with_claimed_size(p, "model.weights.h5"), "under 512 MiB"),
    "a zip bomb": (zip_bomb, "damaged or cut short"),
    "deep JSON": (lambda p: text_config(p, deep()), "not a JSON object"),
    "a long configuration": (lambda p: text_config(p, "[" + "0," * 2**23 + "0]"), "under 8 MiB"),
    "many brackets": (lambda p: text_config(p, "[" + "[]," * 2**21 + "0]"), "not a JSON object"),
    "no JSON": (lambda p: text_config(p, "import os"), "not a JSON object"),
    "models deep inside": (lambda p: tiny_h5(p, deep_models()), "at most 5000 layers in at most"),
    "models that multiply": (lambda p: tiny_h5(p, doubling()), "at most 5000 layers"),
    "too many layers": (lambda p: tiny_keras(p, MANY), "at most 5000 layers"),
    "layers in a circle": (lambda p: tiny_h5(p, circle_of_layers()), "feeds itself"),
    "a source that is not there": (lambda p: tiny_h5(p, WRONG), "can be read"),
    "names that are numbers": (
        lambda p: tiny_h5(p, with_settings(kind="Dense", name=5)),
        "can be read",
    ),
    "a kind that is a list": (
        lambda p: tiny_h5(p, with_settings(kind=["Dense"], name="d")),
        "can be read",
    ),
    "settings that are text": (
        lambda p: tiny_h5(p, sequential({"class_name": "Dense", "config": "os.system"})),
        "can be read",
    ),
    "an activation that is a list": (
        lambda p: tiny_h5(p, with_settings(kind="Dense", name="steer", activation=[1])),
        "expected an activation|can be read",
    ),
    "sizes that are text": (
        lambda p: tiny_h5(p, sequential(input_layer("i", "2", 4, 3), DENSE)),  # type: ignore[arg-type]
        "expected an image of fixed",
    ),
    "a picture of a million rows": (
        lambda p: tiny_h5(p, sequential(input_layer("i", 10**6, 10**6, 3), DENSE)),
        "expected an image of fixed",
    ),
    "a name of two lines": (
        lambda p: tiny_h5(p, with_settings(kind="Lambda", name="a\nb\x1b[31m")),
        "layer a b",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_one_line_soon_and_with_little_memory(tmp_path: Path, case: str) -> None:
    make, message = HOSTILE[case]
    (line,) = outcomes(make(tmp_path / "model"))
    assert line.startswith("refused")
    assert re.search(message, line), line
    assert line.isprintable()


class WritesAFile:
    """Pickled, it asks whoever unpickles it to write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    witness = tmp_path / "it_ran"
    harm = pickle.dumps(WritesAFile(witness))
    pickled = tmp_path / "m.h5"
    pickled.write_bytes(harm)
    torch = tmp_path / "m.pt"
    with zipfile.ZipFile(torch, "w") as archive:
        archive.writestr("m/data.pkl", harm)
    function = {"function": f"open({str(witness)!r}, 'w')", "function_type": "function"}
    code = sequential(input_layer("image", 2, 4, 3), layer("Lambda", "code", **function), DENSE)
    arrays = tmp_path / "objects.h5"
    with_dataset(arrays, words)
    paths = [pickled, torch, tiny_h5(tmp_path / "l.h5", code), tiny_keras(tmp_path / "l", code)]
    lines = outcomes(*paths, arrays)
    assert len(lines) == 5
    assert all(line.startswith("refused") for line in lines)
    assert not witness.exists()
