"""Camera contracts: beside the model (`dave2.keras` has `dave2.contract.json`), presets, flags.

A contract says which camera and car a network was trained with and what its output means.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from carla_saliency.core import Contract, Pose
from carla_saliency.errors import BadInputError
from carla_saliency.network.contract_values import contract_of_values, with_overrides
from carla_saliency.network.layers import Shape

# Of the network that is trained here; the trainer writes the live car's numbers in.
DEFAULT_CONTRACT = Contract(
    name="dave2",
    camera=Pose(x_m=1.5, z_m=1.6, pitch_deg=-10.0),
    width_px=640,
    height_px=360,
    fov_deg=100.0,
    crop=(140, 360, 0, 640),
    input_height_px=66,
    input_width_px=200,
    speed_kmh=(10.0, 35.0),
    max_steer_deg=70.0,
    wheelbase_m=2.87,
)

PRESETS = ("dave2", "udacity", "donkey", "seed")

# In a checkout beside the package, in a wheel inside it.
_PACKAGE = Path(__file__).parents[1]
PRESET_FOLDERS = (_PACKAGE.parent / "configs" / "camera", _PACKAGE / "configs" / "camera")


def contract_path(model_path: str | Path) -> Path:
    """Return where the contract of a model file is; of a folder, beside it."""
    path = Path(model_path)
    path = path if path.name else path.resolve()  # "." has no name
    return path.with_suffix(".contract.json") if path.name else path / "model.contract.json"


def save_contract(path: str | Path, contract: Contract) -> None:
    """Write a contract as JSON.

    Args:
        path: Of the contract itself; see `contract_path`.
        contract: To be written.

    Raises:
        BadInputError: If the file can't be written.
    """
    text = json.dumps(dataclasses.asdict(contract), indent=2) + "\n"
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"can't write {path}: {error.strerror}") from None


def load_contract(model_path: str | Path) -> Contract | None:
    """Return the contract beside a model file, or None if there is none.

    Args:
        model_path: Of the model, not of the contract.

    Raises:
        BadInputError: If the contract can't be used; see `read_contract`.
    """
    path = contract_path(model_path)
    return read_contract(path) if path.exists() else None


def read_contract(path: str | Path) -> Contract:
    """Return the contract of a JSON or YAML file.

    Args:
        path: Of the contract; YAML if it ends in .yaml or .yml, else JSON.

    Raises:
        BadInputError: If the file can't be read, has an unknown or missing key, or a value of the
            wrong type or outside its range.
    """
    path = Path(path)
    kind = "YAML" if path.suffix.lower() in (".yaml", ".yml") else "JSON"
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.safe_load(text) if kind == "YAML" else json.loads(text)
    except OSError as error:
        raise BadInputError(f"can't read {path}: {error.strerror}") from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise BadInputError(f"{path} is not {kind}: {said:.120}") from None
    return contract_of_values(path, values)


def load_preset(name: str) -> Contract:
    """Return a contract that is shipped with the package.

    Args:
        name: One of `PRESETS`.

    Raises:
        BadInputError: If there is no such preset.
    """
    if name not in PRESETS:
        raise BadInputError(
            f"a contract must be one of {', '.join(PRESETS)}, or a file ending in .json or .yaml, "
            f"received {name!r}"
        )
    paths = [folder / f"{name}.yaml" for folder in PRESET_FOLDERS]
    return read_contract(next((path for path in paths if path.exists()), paths[0]))


def contract_from(
    preset: str | None,
    overrides: Mapping[str, str],
    base: Contract | None,
    input_shape: Shape,
) -> Contract:
    """Return the contract of a network from all that is said about it.

    A preset is fitted to the network: its grid becomes the network's. If that is as large as the
    preset's whole camera picture, the network crops by itself and is given all of it.

    Args:
        preset: Name of a preset or a JSON or YAML file; None = `base`, or a guess without one.
        overrides: Parts that are said apart; see `contract_values.with_overrides`.
        base: That was found beside the model.
        input_shape: Rows, columns, channels of the network's input.

    Raises:
        BadInputError: If something can't be used, or does not fit the network.
    """
    if preset is not None and Path(preset).suffix.lower() in (".json", ".yaml", ".yml"):
        contract = read_contract(preset)
    elif preset is not None:
        contract = _on_grid(load_preset(preset), input_shape)
    else:
        contract = base or guess_contract(input_shape)
    if overrides:
        contract = with_overrides("contract", contract, overrides)
    require_fit(contract, input_shape)
    return contract


def guess_contract(input_shape: Shape, name: str = "model") -> Contract:
    """Return a contract for a network that came without one.

    It is our own camera with its whole picture, RGB (or grey) values of 0..255, and output that is
    used as steering: whoever drives with it should say so, and show steering, not degrees.

    Args:
        input_shape: Rows, columns, channels of the network's input.
        name: Of the network.

    Raises:
        BadInputError: If the network takes neither one channel nor three.
    """
    rows, columns, channels = input_shape
    if channels not in (1, 3):
        raise BadInputError(
            f"a network must take pictures of 3 channels, or 1 if grey, {name} takes {channels}: "
            "only camera pictures can be fed"
        )
    camera = DEFAULT_CONTRACT
    return dataclasses.replace(
        camera,
        name=name,
        crop=(0, camera.height_px, 0, camera.width_px),
        input_height_px=rows,
        input_width_px=columns,
        colour="grey" if channels == 1 else "rgb",
        speed_kmh=(0.0, 50.0),
    )


def require_fit(contract: Contract, input_shape: Shape) -> None:
    """Compare a contract with the network that it was found beside.

    Args:
        contract: Of the model.
        input_shape: Rows, columns, channels of the model.

    Raises:
        BadInputError: If the network takes another grid, or another number of channels.
    """
    grid = (contract.input_height_px, contract.input_width_px, channels_of(contract))
    if grid[:2] != tuple(input_shape[:2]):
        raise BadInputError(
            f"the contract of {contract.name} says an input of {grid}, but the network takes "
            f"{tuple(input_shape)}: they don't belong together"
        )
    if grid[2] != input_shape[2]:
        raise BadInputError(
            f"the contract of {contract.name} says colour {contract.colour}, which has {grid[2]} "
            f"channels, but the network takes {input_shape[2]}: say colour=grey for 1 channel, "
            "another colour for 3"
        )


def channels_of(contract: Contract) -> Literal[1, 3]:
    """Return how many channels the network's input has by the contract's colour."""
    return 1 if contract.colour == "grey" else 3


def _on_grid(contract: Contract, input_shape: Shape) -> Contract:
    rows, columns = input_shape[:2]
    changes: dict[str, Any] = {"input_height_px": rows, "input_width_px": columns}
    if (rows, columns) == (contract.height_px, contract.width_px):
        changes["crop"] = (0, rows, 0, columns)
    return dataclasses.replace(contract, **changes)
