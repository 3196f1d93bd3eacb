"""Settings of the commands: plain dataclasses.

A field `take_over` is the flag `--take-over` and the key `take_over` in a YAML file. A field
without a default is for words that are given without a flag.
"""

from __future__ import annotations

from carla_saliency.settings.calibrate import CalibrateSettings
from carla_saliency.settings.commands import (
    CollectSettings,
    DoctorSettings,
    ExplainSettings,
    ServeSettings,
    TrainSettings,
)
from carla_saliency.settings.drive import DriveSettings
from carla_saliency.settings.export import ExportSettings
from carla_saliency.settings.fields import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    check_output,
    parse_endpoint,
    parse_size,
    require,
)
from carla_saliency.settings.network import MethodSettings, NetworkSettings
from carla_saliency.settings.repair import RepairSettings
from carla_saliency.settings.replay import ReplaySettings

__all__ = [
    "DEFAULT_HOST",
    "DEFAULT_PORT",
    "CalibrateSettings",
    "CollectSettings",
    "DoctorSettings",
    "DriveSettings",
    "ExplainSettings",
    "ExportSettings",
    "MethodSettings",
    "NetworkSettings",
    "RepairSettings",
    "ReplaySettings",
    "ServeSettings",
    "TrainSettings",
    "check_output",
    "parse_endpoint",
    "parse_size",
    "require",
]
