"""What is usual for one network: `dave2.keras` has `dave2.calibration.npz` beside it.

`train` writes which frames the network learned from, `calibrate` what its maps are like in a
nominal drive; each keeps what the other wrote. The file is a NumPy .npz of plain numbers and texts;
nothing in it is executed.
"""

from __future__ import annotations

import hashlib
import io
import logging
from contextlib import suppress
from pathlib import Path

import numpy as np

from carla_saliency.core import Contract
from carla_saliency.errors import BadInputError
from carla_saliency.insight.calibration_values import (
    Calibration,
    KnownFrames,
    Nominal,
    Source,
    from_values,
    to_values,
)
from carla_saliency.insight.npz import unpacked

__all__ = [
    "LARGEST_BYTES",
    "Calibration",
    "KnownFrames",
    "Nominal",
    "Source",
    "calibration_path",
    "load_calibration",
    "network_digest",
    "read_calibration",
    "write_calibration",
]

logger = logging.getLogger(__name__)

LARGEST_BYTES = 1_000_000
UNPACKED_BYTES = 4_000_000

# Of the contract, what decides how a picture on the network's grid becomes steering. Where the
# camera is does not: one that is mounted otherwise is what a calibration is there to notice.
MEANS = (
    "input_height_px",
    "input_width_px",
    "colour",
    "scale",
    "offset",
    "preprocess",
    "output",
    "output_centre",
    "output_range",
)


def calibration_path(model_path: str | Path) -> Path:
    """Return where the calibration of a model file is; of a folder, beside it."""
    path = Path(model_path)
    path = path if path.name else path.resolve()  # "." has no name
    return path.with_suffix(".calibration.npz") if path.name else path / "model.calibration.npz"


def network_digest(model_path: str | Path, contract: Contract) -> str:
    """Return a name for a network; with other weights, or fed otherwise, it has another one.

    Args:
        model_path: A file, or a folder of files.
        contract: Of the network.

    Raises:
        BadInputError: If the file can't be read.
    """
    path = Path(model_path)
    digest = hashlib.sha256(repr([getattr(contract, name) for name in MEANS]).encode())
    try:
        files = sorted(each for each in path.rglob("*") if each.is_file()) or [path]
        for file in files:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    except OSError as error:
        raise BadInputError(f"can't read {path}: {error.strerror}") from None
    return digest.hexdigest()[:32]


def load_calibration(model_path: str | Path, contract: Contract) -> Calibration | None:
    """Return the calibration beside a model file; None if there is none, or of another network.

    Args:
        model_path: Of the model, not of the calibration.
        contract: Of the network, as it is used.

    Raises:
        BadInputError: If the file can't be used.
    """
    path = calibration_path(model_path)
    if not path.exists():
        return None
    calibration = read_calibration(path)
    if calibration.network != network_digest(model_path, contract):
        logger.warning(
            "%s is of other weights or inputs than %s now has, and left out: run carla-saliency "
            "calibrate again",
            path,
            Path(model_path).name,
        )
        return None
    return calibration


def read_calibration(path: str | Path) -> Calibration:
    """Return the calibration of a file.

    Raises:
        BadInputError: If it can't be read, is too large, or is not one.
    """
    path = Path(path)
    try:
        if (size := path.stat().st_size) > LARGEST_BYTES:
            raise BadInputError(
                f"{path}: a calibration has at most {LARGEST_BYTES} bytes, received {size}: "
                "calibrate again"
            )
        return from_values(unpacked(path.read_bytes(), UNPACKED_BYTES))
    except OSError as error:
        raise BadInputError(f"can't read {path}: {error.strerror}") from None
    except KeyError as error:
        raise BadInputError(f"{path} is no calibration: it lacks {error.args[0]}") from None
    except ValueError as error:
        line = " ".join(str(error).split())[:160]
        raise BadInputError(f"{path} is no calibration that can be used: {line}") from None


def write_calibration(path: str | Path, calibration: Calibration) -> None:
    """Write a calibration; a file that was there is replaced at once, or not at all.

    Raises:
        BadInputError: If the file can't be written.
        ValueError: If it would be larger than 1 MB.
    """
    path, data = Path(path), io.BytesIO()
    np.savez_compressed(data, **to_values(calibration))
    if data.tell() > LARGEST_BYTES:
        raise ValueError(f"a calibration must fit in {LARGEST_BYTES} bytes, not {data.tell()}")
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(data.getbuffer())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise BadInputError(f"{path} can't be written: {error.strerror}") from None
