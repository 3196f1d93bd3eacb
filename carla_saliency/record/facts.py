"""What a record says of its drive as a whole."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from carla_saliency.core import Car
from carla_saliency.errors import BadInputError

FORMAT = 1  # a reader refuses what is newer
_PACKAGES = (
    *("carla-saliency", "carla", "numpy", "opencv-python", "onnxruntime", "tensorflow"),
    *("mcap", "foxglove-sdk", "protobuf", "av"),
)

Frames = Literal["camera", "network"]
"""Which pictures a record keeps: the camera's, or only what the network was given of them."""


@dataclass(frozen=True)
class NetworkFacts:
    """One network.

    Attributes:
        title: For the window.
        path: Where its file was.
        sha256: Of that file or folder, see `digest_of`.
        contract: Its fields as plain values.
    """

    title: str
    path: str
    sha256: str
    contract: dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """One drive.

    Attributes:
        created: When it began, ISO 8601 in UTC.
        command: The command line.
        settings: By name, as plain values.
        versions: Of everything that had a part in it, by name.
        network: That drove at the start.
        shadow: A second network; None without one.
        car: That was driven.
        physics: Its physics control, by CARLA's names, as plain numbers.
        map_name: Of the map.
        weather: Its name, or "".
        seed: Of all that is random.
        rate_hz: Ticks per simulated second.
        frames: Which pictures are kept.
        server_version: Of the simulator: says which table the semantic tags are of.
        weather_values: By CARLA's names.
    """

    created: str
    command: str
    settings: dict[str, Any]
    versions: dict[str, str]
    network: NetworkFacts
    shadow: NetworkFacts | None
    car: Car
    physics: dict[str, Any]
    map_name: str
    weather: str
    seed: int
    rate_hz: float
    frames: Frames
    server_version: str
    weather_values: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return it as JSON; what JSON does not know (a path) becomes its text."""
        return json.dumps({"format": FORMAT, **asdict(self)}, default=str)

    @classmethod
    def from_json(cls, text: str) -> Facts:
        """Return what `to_json` wrote; tuples in free-form values have become lists.

        Raises:
            BadInputError: If it is of a newer version.
            ValueError: If it is not such JSON.
        """
        values = json.loads(text)
        if (number := values.pop("format")) > FORMAT:
            raise BadInputError(
                f"the record is of format {number}, this program reads up to {FORMAT}; "
                "use a newer carla-saliency"
            )
        car = values["car"]
        car["steering_curve"] = tuple((kmh, factor) for kmh, factor in car["steering_curve"])
        values["car"] = Car(**car)
        for name in ("network", "shadow"):
            values[name] = values[name] and NetworkFacts(**values[name])
        return cls(**values)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that matter; nothing is imported."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file; of a folder, that of all its files and their names.

    Raises:
        OSError: If it cannot be read.
    """
    digest = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        if path.is_dir():
            digest.update(f"{file.relative_to(path).as_posix()}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


# What was measured on rendered roads: bytes a pixel of the camera's PNG and of its tags, and those
# of the maps, the numbers and the annotated video of one tick.
_PIXEL_BYTES, _TAG_BYTES, _OTHER_BYTES = 1.5, 0.05, 45_000


def bytes_per_tick(size: tuple[int, int], frames: Frames) -> int:
    """Return about how much one tick takes on the disk.

    Args:
        size: (width, height) of the kept pictures.
        frames: Which pictures they are.
    """
    width, height = size
    per_pixel = _PIXEL_BYTES + (_TAG_BYTES if frames == "camera" else 0)
    return round(width * height * per_pixel + _OTHER_BYTES)


def space_line(
    folder: Path,
    size: tuple[int, int],
    rate_hz: float,
    seconds: float | None,
    frames: Frames,
) -> str:
    """Return one line about the disk that a record will need, and whether it is there.

    Args:
        folder: Of the record; need not exist.
        size: (width, height) of the kept pictures.
        rate_hz: Ticks per simulated second.
        seconds: Simulated, of the drive; None = nobody knows.
        frames: Which pictures are kept.
    """
    rate = bytes_per_tick(size, frames) * rate_hz
    there = folder.resolve()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    line = f"record: about {rate / 1e6:.1f} MB/s"
    if seconds is None:
        return f"{line}; the {_gigabytes(free)} free at {there} last for {_length(free / rate)}"
    need = rate * seconds
    line = f"{line}, {_gigabytes(need)} in all, of {_gigabytes(free)} free at {there}"
    if need <= free:
        return line
    return (
        f"{line}: IT WILL NOT FIT, the disk is full after {_length(free / rate)}; "
        "free some, choose another folder, or --record-frames network"
    )


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"


def _length(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"
