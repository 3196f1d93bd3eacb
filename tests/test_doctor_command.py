"""`carla-saliency doctor`, and what a drive and an explanation ask of a network's contract."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from carla_saliency import cli
from carla_saliency.core import Inputs, Query
from carla_saliency.errors import BadInputError
from carla_saliency.factory import SHIPPED_NETWORK, load_steering
from carla_saliency.network.check import check_gradient
from carla_saliency.network.onnx_builder import GraphBuilder
from carla_saliency.network.runtime import OnnxNetwork


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return the shipped network without its contract."""
    path = tmp_path / "bare.keras"
    path.write_bytes(SHIPPED_NETWORK.read_bytes())
    return path


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    path = tmp_path / "frame.png"
    picture = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    cv2.imwrite(str(path), picture)
    return path


def test_everything_about_the_shipped_network_is_printed(frame: Path, capsys) -> None:
    assert cli.main(["doctor", str(frame)]) == 0
    text = capsys.readouterr().out
    for words in (
        "Keras 3",
        "66×200×3",
        "onnxruntime",
        "gradient      right",
        "conv5",
        "1×18×64",
        "crop: rows 140–360",
        "output: steering",
        "°",
    ):
        assert words in text, words


def test_guesses_are_called_guesses(bare: Path, frame: Path, capsys) -> None:
    assert cli.main(["doctor", "--model", str(bare), str(frame)]) == 0
    text = capsys.readouterr().out
    assert "no contract: these are guesses" in text
    assert "°" not in text.split("steering ")[-1]


def test_a_contract_is_saved_and_then_used(bare: Path, capsys) -> None:
    arguments = ["doctor", "--model", str(bare), "--contract", "dave2", "--trained-lock", "35"]
    assert cli.main([*arguments, "--save"]) == 0
    saved = json.loads(bare.with_suffix(".contract.json").read_text())
    assert saved["max_steer_deg"] == 35.0
    capsys.readouterr()
    assert cli.main(["doctor", "--model", str(bare)]) == 0
    assert "guess" not in capsys.readouterr().out


def test_a_guess_is_not_saved_as_a_contract(bare: Path, capsys) -> None:
    assert cli.main(["doctor", "--model", str(bare), "--save"]) == 2
    said = capsys.readouterr().err
    assert "a guess is no contract: give --contract" in said
    assert said.count("\n") == 1
    assert not bare.with_suffix(".contract.json").exists()


def test_what_does_not_fit_the_file_names_the_file(bare: Path, capsys) -> None:
    for arguments in (["--output", "vector:3"], ["--trained-colour", "mauve"]):
        assert cli.main(["doctor", "--model", str(bare), *arguments]) == 2
        assert str(bare) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"", "empty"),
        (b"\x1c\0\0\0TFL3" + bytes(60), "TFLite"),
        (b'{"a": 1}', "JSON"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(
    tmp_path: Path, content: bytes, said: str, capsys
) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    assert cli.main(["doctor", "--model", str(path)]) == 2
    text = capsys.readouterr().err
    assert said.lower() in text.lower()
    assert text.count("\n") == 1


def test_a_drive_asks_for_a_contract_and_explain_goes_on(bare: Path, frame: Path, capsys) -> None:
    assert cli.main(["drive", "--model", str(bare), "--headless", "--ticks", "1"]) == 2
    said = capsys.readouterr().err
    assert "--contract dave2, udacity, donkey or seed" in said
    assert said.count("\n") == 1
    arguments = ["explain", str(frame), "--model", str(bare), "--out", str(frame.parent)]
    assert cli.main(arguments) == 0
    assert "a guess" in capsys.readouterr().err


def test_the_first_map_needs_neither_tensorflow_nor_200_mb(frame: Path) -> None:
    code = (
        "import sys\n"
        "from carla_saliency.commands import explain\n"  # all that the command has loaded by then
        "from carla_saliency import factory, pictures\n"
        "from carla_saliency.core import Frame\n"
        "from pathlib import Path\n"
        "steering = factory.load_steering()\n"
        "explainers = factory.make_explainers(steering, 'contrast')\n"
        f"picture = pictures.read_picture(Path({str(frame)!r}))\n"
        "assert explainers['contrast'].explain(Frame(0, 0.0, picture)).attribution.any()\n"
        "assert not {'tensorflow', 'keras', 'carla', 'av', 'pygame'} & set(sys.modules)\n"
        # not getrusage: that counts what the parent held when it forked
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) < 200 * 1024


def test_a_kernel_that_is_wrong_on_the_way_back_only_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a runtime that lays one constant out for a convolution and uses it for both."""
    graph = load_steering().network.graph
    image = Inputs(np.random.default_rng(0).uniform(0, 255, (1, 66, 200, 3)).astype(np.float32))
    one = OnnxNetwork(graph).run(Query(), image)
    own = GraphBuilder.op

    def op(self: GraphBuilder, kind: str, *inputs: str, **attributes) -> str:
        if kind == "ConvTranspose":
            starts, ends, axes, steps = (
                self.constant(v, np.int64) for v in ([-1, -1], [-99, -99], [2, 3], [-1, -1])
            )
            turned = own(self, "Slice", inputs[1], starts, ends, axes, steps)
            inputs = (inputs[0], turned, *inputs[2:])
        return own(self, kind, *inputs, **attributes)

    monkeypatch.setattr(GraphBuilder, "op", op)
    wrong = OnnxNetwork(graph)
    other = wrong.run(Query(), image)
    assert one.steering == pytest.approx(other.steering)  # the steering shows nothing
    assert not np.array_equal(one.gradients, other.gradients)
    with pytest.raises(BadInputError, match="wrong map"):
        check_gradient(wrong, graph.image_shape)
