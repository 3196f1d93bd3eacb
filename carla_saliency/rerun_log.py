"""Steps of a drive in Rerun's words: shared by the live stream and the exported file."""

from __future__ import annotations

import os

import cv2
import numpy as np

from carla_saliency.core import GROUPS, DriveStep, Image
from carla_saliency.errors import BadInputError

os.environ.setdefault("RUST_LOG", "off")  # what goes wrong is said by us, in one line
try:
    import rerun as rr
    import rerun.blueprint as rrb
except ModuleNotFoundError:
    raise BadInputError('Rerun is not installed: pip install "carla-saliency[rerun]"') from None

APPLICATION = "carla-saliency"
TIME, FRAME = "sim_time", "frame"
JPEG_QUALITY = 95  # a picture of 640x360 takes 2 ms and a sixth of a PNG's bytes
MAP_WIDTH_PX = 800  # network grids are small: a viewer would smooth their pixels
EVENTS = "events"

# entity -> its name in the legend, its colour
LINES: dict[str, tuple[str, tuple[int, int, int]]] = {
    "steering/sent": ("sent", (232, 234, 237)),
    "steering/network": ("network", (255, 210, 63)),
    "steering/expert": ("expert", (124, 133, 144)),
    "steering/shadow": ("shadow", (127, 227, 192)),
    "pedals/throttle": ("throttle", (94, 158, 110)),
    "pedals/brake": ("brake", (217, 96, 127)),
    "speed/kmh": ("km/h", (232, 234, 237)),
    "lane/offset_m": ("right of the lane's centre, m", (232, 234, 237)),
    "lane/heading_error_deg": ("clockwise of the lane, degrees", (169, 176, 186)),
}


def blueprint() -> rrb.Blueprint:
    """Return how the drive is laid out in the viewer when it opens."""
    return rrb.Blueprint(
        rrb.Vertical(
            rrb.Horizontal(
                rrb.Spatial2DView(origin="camera", name="camera"),
                rrb.Spatial2DView(origin="map", name="what moves the steering"),
            ),
            rrb.TimeSeriesView(origin="steering", name="steering, left negative"),
            rrb.Horizontal(
                rrb.TimeSeriesView(origin="speed", name="speed"),
                rrb.TimeSeriesView(origin="pedals", name="pedals"),
                rrb.TimeSeriesView(origin="lane", name="lane"),
                rrb.TimeSeriesView(origin="attention", name="attention by class"),
                rrb.TextLogView(origin=EVENTS, name="events"),
            ),
            row_shares=[5, 2, 3],
        ),
        rrb.SelectionPanel(state="collapsed"),
        rrb.BlueprintPanel(state="collapsed"),
        rrb.TimePanel(timeline=TIME, state="collapsed"),
    )


def open_recording(title: str) -> rr.RecordingStream:
    """Return a new recording with the names and colours of its lines; it has no sink yet.

    Args:
        title: Of the drive, for the viewer.
    """
    recording = rr.RecordingStream(APPLICATION)
    recording.set_log_time_enabled(False)  # two timelines are enough, and both can be repeated
    recording.set_log_tick_enabled(False)
    recording.send_recording_name(title)
    for entity, (name, colour) in LINES.items():
        recording.log(entity, rr.SeriesLines(names=name, colors=colour), static=True)
    for group in GROUPS:
        recording.log(f"attention/{group}", rr.SeriesLines(names=group), static=True)
    return recording


def log_step(recording: rr.RecordingStream, step: DriveStep, map_picture: Image | None) -> None:
    """Log one step at its simulated time and its frame's number.

    Args:
        recording: From `open_recording`.
        step: What is None in it is left out.
        map_picture: The map in colours over what the network was given, RGB, uint8 (h, w, 3); None
            without a map.
    """
    frame = step.observation.frame
    recording.set_time(TIME, duration=frame.sim_s)
    recording.set_time(FRAME, sequence=frame.frame_id)
    recording.log("camera", _picture(frame.image))
    if map_picture is not None:
        recording.log("map", _picture(_enlarged(map_picture)))
    for entity, value in _numbers(step).items():
        if value is not None:
            recording.log(entity, rr.Scalars(value))
    for event in dict.fromkeys((*step.observation.events, *step.findings.events)):
        text = f"{event.kind.value}: {event.text}".rstrip(": ")
        recording.log(EVENTS, rr.TextLog(text, level=rr.TextLogLevel.WARN))


# ------------------------------------------------------------------ parts


def _numbers(step: DriveStep) -> dict[str, float | None]:
    observation, decision, lane = step.observation, step.decision, step.observation.lane
    numbers = {
        "steering/sent": decision.control.steering,
        "steering/network": decision.network_steering,
        "steering/expert": decision.expert_steering,
        "steering/shadow": None if decision.shadow is None else decision.shadow.command,
        "pedals/throttle": decision.control.throttle,
        "pedals/brake": decision.control.brake,
        "speed/kmh": observation.speed_mps * 3.6,
        "lane/offset_m": None if lane is None else lane.offset_m,
        "lane/heading_error_deg": None if lane is None else lane.heading_error_deg,
    }
    if (shares := step.findings.shares) is not None:
        for group, share in zip(GROUPS, shares.share, strict=True):
            numbers[f"attention/{group}"] = float(share)
    return numbers


def _picture(picture: Image) -> rr.EncodedImage:
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return rr.EncodedImage(contents=data.tobytes(), media_type="image/jpeg")


def _enlarged(picture: Image) -> Image:
    """Return a small picture with each pixel as a square of several."""
    times = max(1, round(MAP_WIDTH_PX / picture.shape[1]))
    return np.ascontiguousarray(picture.repeat(times, axis=0).repeat(times, axis=1))
