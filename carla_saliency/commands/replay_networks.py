"""Which networks are asked about a recorded drive: the one that drove, and perhaps another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from carla_saliency import factory
from carla_saliency.core import Contract, Pose
from carla_saliency.errors import BadInputError
from carla_saliency.factory import Letter, Rider, Steering
from carla_saliency.factory.explainers import drive_explainers, shadow_explainers
from carla_saliency.factory.insights import calibration_of
from carla_saliency.network.contract import save_contract
from carla_saliency.record.facts import Facts, NetworkFacts, digest_of
from carla_saliency.settings import DriveSettings, MethodSettings, NetworkSettings
from carla_saliency.settings.replay import AS_RECORDED, ReplaySettings

SEEN = frozenset(
    {"width_px", "height_px", "crop", "blur_px", "resize", "input_height_px", "input_width_px"}
)
"""Fields of a contract that say which picture is on the network's grid, beside its camera."""


@dataclass(frozen=True)
class Cast:
    """The networks of a replay.

    Attributes:
        riders: By letter: A drove at the start; B is the other one. A is missing where its file is.
        contract: Of A.
        names: Of A and B.
        settings: As for a drive.
        as_driven: They are those of the drive, so that what it says of swapped drivers holds.
        remarks: Lines for the person.
    """

    riders: Mapping[Letter, Rider]
    contract: Contract
    names: tuple[str, str]
    settings: DriveSettings
    as_driven: bool
    remarks: tuple[str, ...]

    @property
    def asked(self) -> Letter:
        """The first one that can be asked."""
        return "A" if "A" in self.riders else "B"


def cast_of(settings: ReplaySettings, facts: Facts, size: tuple[int, int]) -> Cast:
    """Return the networks.

    Args:
        settings: Of the replay.
        facts: Of the record.
        size: (width, height) of its pictures.

    Raises:
        BadInputError: If one can't be used, or none can be found.
    """
    a, b, as_driven, remarks = _find(settings, facts)
    drive = drive_settings(settings, facts, size, b is not None)
    if a is None and drive.target == "difference":
        raise BadInputError(
            "--target difference needs the network that drove, which is not there: leave it out"
        )
    names = facts.network.title, "expert" if drive.shadow == "expert" else "B"
    names = names[0], names[1] if b is None else b.title
    riders = _riders(a, b, drive, facts.frames == "network", settings.calibration)
    contract = contract_of(facts.network)
    if facts.frames == "network":
        contract = next(iter(riders.values())).steering.contract
    return Cast(riders, contract, names, drive, as_driven, tuple(remarks))


def drive_settings(
    settings: ReplaySettings, facts: Facts, size: tuple[int, int], beside: bool
) -> DriveSettings:
    """Return the settings as if it were a drive.

    Without a method, how maps are made is as it was in the drive, but for what is given.

    Args:
        settings: Of the replay.
        facts: Of the record.
        size: (width, height) of its pictures.
        beside: A second network looks on.
    """
    given: dict[str, Any] = {}
    for each in fields(MethodSettings):
        value = getattr(settings, each.name)
        left_out = value == (AS_RECORDED if each.name == "method" else each.default)
        if settings.method == AS_RECORDED and left_out and each.default is not MISSING:
            value = facts.settings.get(each.name, each.default)
        given[each.name] = value
    given["scale"] = settings.scale
    expert = "expert" if facts.settings.get("shadow") == "expert" else None
    return DriveSettings(
        **given,
        shadow="B" if beside else expert,
        fps=facts.rate_hz,
        camera=None if facts.frames == "network" else f"{size[0]}x{size[1]}",
        every=settings.every or facts.settings.get("every"),
        classes_every=settings.classes_every,
        blobs=settings.blobs,
        res=settings.res,
    )


def contract_of(network: NetworkFacts) -> Contract:
    """Return the contract that a network had in a recorded drive."""
    values = dict(network.contract)
    values["camera"] = Pose(**values["camera"])
    for name in ("crop", "speed_kmh"):
        values[name] = tuple(values[name])
    return Contract(**values)


# ------------------------------------------------------------------ inside


def _find(
    settings: ReplaySettings, facts: Facts
) -> tuple[Steering | None, Steering | None, bool, list[str]]:
    """Return A, B, whether they are those of the drive, and lines for the person.

    Raises:
        BadInputError: If one can't be used, or none can be found.
    """
    says_how = bool(settings.contract_parts() or settings.contract or settings.arch)
    a = _recorded(facts.network, facts, None if says_how else settings.model)
    b: Steering | None = None
    if settings.model is not None:
        own = not says_how and _same(Path(settings.model), facts.network.sha256)
        b = None if own else _given(settings, facts)  # the drive's own, wherever it is by now
    gone, as_driven = "is not at {} any more, or was changed", b is None
    why = gone.format(facts.network.path)
    if a is None and b is None:
        raise BadInputError(
            f"the network that drove {why}: give it, or another one, by --model FILE"
        )
    remarks: list[str] = []
    if a is None:
        remarks.append(
            f"{facts.network.title}, which drove, {why}: its steering is the recorded one"
        )
    if as_driven and facts.shadow is not None:
        b = _recorded(facts.shadow, facts)
        if b is None:
            why = gone.format(facts.shadow.path)
            remarks.append(f"the shadow {facts.shadow.title} {why}: its maps are left out")
    for steering in (a, b):
        remarks += [] if steering is None else steering.lines()
    return a, b, as_driven, remarks


def _recorded(network: NetworkFacts, facts: Facts, given: str | None = None) -> Steering | None:
    """Return a network of the drive, with the contract that it had there; None if it is gone.

    Args:
        network: Which.
        facts: Of the record.
        given: Where it may be as well.

    Raises:
        BadInputError: If its file is there, but can't be read as it was.
    """
    places = [network.path, str(factory.SHIPPED_NETWORK), *([given] if given else [])]
    for path in dict.fromkeys(map(Path, places)):
        if not path.exists() or not _same(path, network.sha256):
            continue
        with TemporaryDirectory() as folder:
            contract = Path(folder) / "recorded.contract.json"
            save_contract(contract, contract_of(network))
            how = NetworkSettings(model=str(path), contract=str(contract))
            if network is facts.network:
                how = replace(how, arch=facts.settings.get("arch"))
            steering = factory.load_steering(how)
        others = _others(steering.contract, network)
        if others:
            raise BadInputError(
                f"{path} is not read as in the drive: {', '.join(others)} of its contract differ; "
                "use the version of carla-saliency that recorded it, or give another --model FILE"
            )
        return steering
    return None


def _same(path: Path, sha256: str) -> bool:
    try:
        return digest_of(path) == sha256
    except OSError:
        return False


def _given(settings: ReplaySettings, facts: Facts) -> Steering:
    """Return the network that is given.

    Raises:
        BadInputError: If it can't be used on the recorded pictures.
    """
    steering = factory.load_steering(settings)
    where = f"--model {settings.model}"
    if not steering.has_contract:
        raise BadInputError(
            f"{where}: it has no camera contract, so nobody knows what it should see: write one "
            "(carla-saliency doctor --model FILE --save), or say it by --contract"
        )
    kept, own = contract_of(facts.network), steering.contract
    if (own.camera, own.fov_deg) != (kept.camera, kept.fov_deg):
        raise BadInputError(
            f"{where}: the drive was seen from {kept.camera} with {kept.fov_deg:g}°, and this "
            f"network is for {own.camera} with {own.fov_deg:g}°: record a drive with it"
        )
    others = [name for name in _others(own, facts.network) if name in SEEN]
    if facts.frames == "network" and others:
        raise BadInputError(
            f"{where}: the record has only what its network saw (--record-frames network), so it "
            f"is for its crop and grid alone: {', '.join(others)} of this one differ"
        )
    return steering


def _others(contract: Contract, network: NetworkFacts) -> list[str]:
    """Return the fields in which a contract is not that of the drive."""
    given = json.loads(json.dumps(asdict(contract), default=str))
    kept = json.loads(json.dumps(network.contract, default=str))
    return sorted(key for key in given | kept if given.get(key) != kept.get(key) and key != "name")


def _riders(
    a: Steering | None,
    b: Steering | None,
    settings: DriveSettings,
    on_grid: bool,
    calibration: str | None,
) -> dict[Letter, Rider]:
    """Return the networks with their methods; on their grids, if the pictures are.

    What is usual for a network is known of it as it is in a drive.
    """
    known = [
        None if one is None else calibration_of(one, path)
        for one, path in ((a, calibration), (b, calibration if a is None else None))
    ]
    if on_grid:
        a, b = (None if one is None else factory.for_grid(one) for one in (a, b))
    riders: dict[Letter, Rider] = {}
    if a is not None:
        riders["A"] = Rider(a, drive_explainers(a, settings, b), known[0])
    if b is not None:
        make = drive_explainers if a is None else shadow_explainers
        riders["B"] = Rider(b, make(b, settings), known[1])
    return riders
