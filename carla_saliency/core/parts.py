"""The interfaces of the parts that a drive is made of."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from carla_saliency.core.driving import (
    Array,
    Decision,
    Explanation,
    Frame,
    Image,
    Meaning,
    Observation,
)
from carla_saliency.core.networks import (
    Answer,
    Inputs,
    LayerInfo,
    Query,
    Seen,
)


class Network(Protocol):
    """A steering network, whatever runs it."""

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """Every layer, in the order of computation."""

    @property
    def has_gradient(self) -> bool:
        """Whether it answers queries with targets, rules, kept layers or gates."""

    def steer(self, inputs: Inputs) -> Array:
        """Return the steering, (N,)."""

    def run(self, query: Query, inputs: Inputs, gates: Array | None = None) -> Answer:
        """Return the steering and what the query asks, from one compiled call.

        `gates` is (N, channels of the gated layer), or None without a gate.
        """

    def randomised(self, seed: int) -> Network:
        """Return a network of the same layers with new weights."""


class Preprocess(Protocol):
    """From a camera picture to the network's input, and the exact way back for maps."""

    def crop(self, picture: Image) -> Image:
        """Return the RGB picture on the network's grid, uint8 (H, W, 3)."""

    def encode(self, rgb: NDArray[Any]) -> Array:
        """Return the network's input (..., H, W, C) for RGB on its grid, 0..255."""

    def pull_back(self, rgb: NDArray[Any], gradient: Array) -> Array:
        """Return the gradient per grey level of R, G, B, (..., H, W, 3), from that to the input."""


class Feed(Protocol):
    """From frames to all that the network takes; remembers the last frames where it needs them."""

    def look(self, frame: Frame) -> Seen:
        """Return what the network is given for this frame; the same frame twice is seen once."""

    def vary(self, seen: Seen, pictures: NDArray[Any]) -> Inputs:
        """Return a batch with other pictures in place of the seen one.

        `pictures` is RGB on the network's grid, 0..255, uint8 or float, (N, H, W, 3); older frames
        and the speed stay as they are.
        """

    def pull_back(self, pictures: NDArray[Any], gradient: Array) -> Array:
        """Return the gradient per grey level of the pictures' R, G, B, (N, H, W, 3).

        `gradient` is to `Inputs.image` of those pictures, (N, ...); of several frames the newest
        counts.
        """


class Explainer(Protocol):
    """Asks the network for the steering, and finds what moved it."""

    @property
    def name(self) -> str:
        """Of the method."""

    @property
    def meaning(self) -> Meaning:
        """Of its maps."""

    @property
    def slow(self) -> bool:
        """Whether it takes longer than a tick."""

    def look(self, frame: Frame) -> Seen:
        """Return what the network is given for this frame."""

    def steer(self, seen: Seen) -> float:
        """Return the steering alone."""

    def explain_seen(self, seen: Seen) -> Explanation:
        """Explain what was seen; may be called from a thread of its own."""

    def explain(self, frame: Frame) -> Explanation:
        """Explain one frame."""


class Session(Protocol):
    """A connection to a simulator that holds one ego vehicle."""

    def start(self) -> Observation:
        """Return what the ego vehicle sees first."""

    def send(self, decision: Decision) -> None:
        """Apply the control and begin one tick; returns at once."""

    def receive(self) -> Observation:
        """Return what is seen after that tick."""


class Pilot(Protocol):
    """Decides. May keep state; holds no reference to the simulator."""

    def decide(self, observation: Observation) -> Decision:
        """Return the control for this observation and, where it has one, the explanation."""
