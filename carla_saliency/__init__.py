"""A plugin for the CARLA driving simulator: what a steering network looks at, live.

From Python: `load_network` and `explain`, see `carla_saliency.api`.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carla_saliency.api import Network, explain, load_network

# From the moment of its import on, onnxruntime would note down what is done in the home of whoever
# runs it, and send that to its makers.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["Network", "explain", "load_network"]


def __getattr__(name: str) -> Any:
    """Import what is heavy when it is first used: the command line must answer at once."""
    if name in __all__:
        return getattr(import_module("carla_saliency.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
