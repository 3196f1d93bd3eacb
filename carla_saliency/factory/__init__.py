"""Settings become parts here: the only place that names the concrete classes of a drive."""

from __future__ import annotations

from carla_saliency.factory.explainers import (
    Explainers,
    compared,
    drive_explainers,
    load_shadow,
    make_explainers,
    method_options,
    require_method,
    throttle_of,
)
from carla_saliency.factory.insights import (
    Letter,
    Rider,
    Subject,
    make_analyst,
    make_examiner,
    make_riders,
    make_subject,
)
from carla_saliency.factory.session import (
    camera_size,
    contract_warnings,
    session_settings,
)
from carla_saliency.factory.steering import (
    SHIPPED_NETWORK,
    Steering,
    for_grid,
    for_picture,
    load_steering,
    read_steering,
    require_contract,
)

__all__ = [
    "SHIPPED_NETWORK",
    "Explainers",
    "Letter",
    "Rider",
    "Steering",
    "Subject",
    "camera_size",
    "compared",
    "contract_warnings",
    "drive_explainers",
    "for_grid",
    "for_picture",
    "load_shadow",
    "load_steering",
    "make_analyst",
    "make_examiner",
    "make_explainers",
    "make_riders",
    "make_subject",
    "method_options",
    "read_steering",
    "require_contract",
    "require_method",
    "session_settings",
    "throttle_of",
]
