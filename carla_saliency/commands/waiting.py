"""What a person sees and may do while the program waits for a server."""

from __future__ import annotations

import time
from collections.abc import Callable

from carla_saliency.core import DriveStep, Quit
from carla_saliency.draw import cards
from carla_saliency.draw.state import Interlude
from carla_saliency.factory import Steering
from carla_saliency.output.viewer import Viewer
from carla_saliency.sim.calls import Waiting

AWAKE_S = 0.03  # how often a window is looked after while nothing else happens
OWNERS_TICK = "waiting for the owner's tick"
STAGES = {  # what the session says it does -> how many of the card's steps are done
    "loading the map": 2,
    "setting up the world": 2,
    "spawning the car": 2,
    "waiting for the first picture": 3,
    OWNERS_TICK: 3,
}


class Left(BaseException):
    """The person leaves while the program waits; like KeyboardInterrupt it is no error."""


def late(last: DriveStep, waiting: Waiting) -> str:
    """Return the alarm line while something is late."""
    if waiting.what == OWNERS_TICK:
        return cards.owner_waits(waiting.waited_s, waiting.limit_s)
    next_id = last.observation.frame.frame_id + 1
    return cards.waiting(next_id, waiting.waited_s, waiting.limit_s)


def connecting_card(waiting: Waiting, steering: Steering) -> Interlude:
    """Return the cards that are shown until the first frame is there."""
    ready = cards.network_ready(steering.contract, steering.network.graph.parameters)
    stage = STAGES.get(waiting.what, 0)
    return cards.connecting(waiting.server, stage, waiting.waited_s, waiting.limit_s, ready)


def show_until_left(window: Viewer, paint: Callable[[], None]) -> None:
    """Show something until the person leaves, or nobody looks any more.

    Args:
        window: Is open.
        paint: Paints it, again and again: the window may have been covered.
    """
    while window.watched and Quit() not in window.requests():
        paint()
        window.pump()
        time.sleep(AWAKE_S)
