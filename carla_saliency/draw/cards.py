"""The cards' words: what happened, what the program does, what you can do."""

from __future__ import annotations

import math
import textwrap

from carla_saliency.core import Contract
from carla_saliency.draw.state import Card, CardLine, Interlude, Tone

STAGES = ("server answers", "versions match", "car and camera", "first frame")
PATIENCE_S = 5.0
CARD_COLUMNS = 60  # letters that fit into a line of a card


def connecting(
    address: str, stage: int, waited_s: float, limit_s: float, network: Card | None = None
) -> Interlude:
    """Return what is shown until the first frame.

    Args:
        address: "host:port".
        stage: How many of `STAGES` are done.
        waited_s: Since the first try.
        limit_s: When it gives up.
        network: The network's card, beside it.
    """
    lines = [CardLine(f"waited {waited_s:.0f} s{_of(limit_s, 0)}")]
    for number, text in enumerate(STAGES):
        tone: Tone = "mid" if number < stage else "high" if number == stage else "low"
        remark = "done" if number < stage else "waiting" if number == stage else ""
        lines.append(CardLine(text, tone, str(number + 1), remark))
    if waited_s >= PATIENCE_S and stage == 0:
        advice = "If it stays here: start CARLA (./CarlaUE4.sh), or give --host and --port."
        lines.append(CardLine(advice))
    card = Card(heading=f"Connecting to {address}", lines=tuple(lines))
    return Interlude(badge="CONNECTING", left=card, right=network)


def network_ready(contract: Contract, weights: int | None = None) -> Card:
    """Return what is known of the network before the first frame."""
    c = contract
    size = "" if weights is None else f" · {weights / 1e6:.2f} M weights"
    lines = (
        CardLine(f"{c.name}{size}"),
        CardLine(
            f"input {c.input_width_px}×{c.input_height_px} {c.colour.upper()} · output steering"
        ),
        CardLine(
            f"camera contract: {c.width_px}×{c.height_px}, fov {c.fov_deg:g}°, "
            f"z {c.camera.z_m:g} m, pitch {_degrees(c.camera.pitch_deg)}"
        ),
        CardLine(f"learned at {c.speed_kmh[0]:g} to {c.speed_kmh[1]:g} km/h, in {c.blueprint}"),
    )
    return Card(heading="Network ready", lines=lines)


def server_lost(reason: str, seen: bool) -> Interlude:
    """Return what is shown when the server no longer answers.

    Args:
        reason: One line: what happened, and what to do.
        seen: There are pictures of before.
    """
    lines = [CardLine(line, "high") for line in textwrap.wrap(reason, CARD_COLUMNS)]
    lines.append(CardLine("What was recorded is closed and complete."))
    lines.append(CardLine("Esc: end here and write the summary"))
    card = Card(heading="Server lost", lines=tuple(lines), tone="failure")
    return Interlude(
        badge="NO SERVER",
        tone="failure",
        left=card,
        camera_title="last picture" if seen else "no picture",
        map_title="last map" if seen else "no map",
    )


def waiting(frame_id: int, waited_s: float, limit_s: float) -> str:
    """Return the alarm line while the server stands still with us, waiting for its picture."""
    return f"Waiting for the picture of frame {frame_id:06d}: {waited_s:.1f} s{_of(limit_s, 1)}"


def leaving(waited_s: float) -> str:
    """Return the alarm line while the server is to be put back, and does not answer."""
    return f"Leaving: waiting for the server to be put back, {waited_s:.1f} s"


def owner_waits(waited_s: float, limit_s: float) -> str:
    """Return the alarm line while the client that ticks somebody else's world does not."""
    return f"Waiting for the owner's tick: {waited_s:.1f} s{_of(limit_s, 1)}"


def _of(limit_s: float, digits: int) -> str:
    """Return how long is waited at most; nothing where there is no limit."""
    return f" of {limit_s:.{digits}f} s" if math.isfinite(limit_s) else ""


def _degrees(value: float) -> str:
    return f"{'−' if value < 0 else ''}{abs(value):g}°"
