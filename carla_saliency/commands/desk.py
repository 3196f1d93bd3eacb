"""What the person asked for, handed to whoever can do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from carla_saliency.commands.looking import Looking, Looks, Parts
from carla_saliency.core import (
    Autopilot,
    Bookmark,
    ChangeLayer,
    ChangeMethod,
    ChangePace,
    ChangeStrip,
    ChangeWeather,
    CheckBlobs,
    DriveMasked,
    DriveStep,
    HandOver,
    Image,
    LockScale,
    Manual,
    Mouse,
    NextCamera,
    NextEvent,
    NextSpawnPoint,
    OpenEvent,
    Pause,
    Quit,
    RemoveMask,
    Request,
    SaveFrame,
    Screenshot,
    Scrub,
    ShowShadow,
    StepOnce,
    SwapDrivers,
    ToggleRecording,
)
from carla_saliency.draw import foot, hits
from carla_saliency.draw.layout import Layout
from carla_saliency.draw.state import UiState
from carla_saliency.errors import CarlaSaliencyError
from carla_saliency.output.snapshots import save_frame, save_screenshot

DRIVING: tuple[Literal["classes", "lift", "lane"], ...] = ("classes", "lift", "lane")
STILL: tuple[Literal["layers", "classes", "lift"], ...] = ("layers", "classes", "lift")
"""What `T` walks through in the lower strip."""


class Desk:
    """Does what is asked, one request at a time.

    Args:
        parts: Who does it.
        looks: How the window stands; changed here.
        layout: Of the window's picture.
        width: Of a text in it, in units.
    """

    def __init__(
        self, parts: Parts, looks: Looks, layout: Layout, width: Callable[[str], float]
    ) -> None:
        self._parts, self._looks = parts, looks
        self.looking = Looking(parts, looks)
        self._layout, self._width = layout, width

    def answer(
        self, request: Request, step: DriveStep | None, picture: Image | None, state: UiState
    ) -> None:
        """Do one thing.

        Args:
            request: What.
            step: That is shown; None before the first.
            picture: Of the window, as it was drawn last.
            state: That it was drawn with.
        """
        try:
            match request:
                case Quit():
                    self._looks.quit = True
                case ToggleRecording() if self._parts.recorder.to_the_end:
                    self._looks.say("the whole drive is recorded: its video ends with it")
                case ToggleRecording():
                    self._parts.recorder.toggle()
                case _ if step is not None:
                    self._answer(request, step, picture, state)
                case Manual() | HandOver() | Autopilot() | ChangeMethod() | ChangeLayer():
                    self._change_driving(request, None)
        except CarlaSaliencyError as error:  # a wish that can't be fulfilled ends no drive
            self._looks.say(str(error), "warning")

    def _answer(
        self, request: Request, step: DriveStep, picture: Image | None, state: UiState
    ) -> None:
        looks = self._looks
        match request:
            case Pause():
                self.looking.go_on() if looks.paused else self.looking.inspect()
            case StepOnce():
                self._step_once()
            case ChangePace(by):
                self._change_pace(by)
            case NextEvent(by):
                self.looking.next_event(by)
            case Scrub(by, seconds):
                self.looking.scrub(by, seconds)
            case Mouse(x, y, kind):
                self._mouse(step, state, x, y, kind)
            case Screenshot() if picture is not None:
                name = f"carla-saliency-{step.observation.frame.frame_id:06d}"
                looks.say(f"saved {save_screenshot(picture, self._parts.folder, name)}")
            case SaveFrame():
                looks.say(f"saved {save_frame(self._parts.folder, step)}")
            case Bookmark():
                self.looking.bookmark(step)
            case OpenEvent(number):
                self.looking.open_event(number)
            case ChangeStrip():
                self._change_strip()
            case LockScale():
                looks.scale_locked = not looks.scale_locked
            case CheckBlobs():
                self._parts.analyst.checks_blobs = not self._parts.analyst.checks_blobs
            case ShowShadow():
                self._compare(step)
            case ChangeWeather() | NextSpawnPoint() | NextCamera():
                self._change_world(request)
            case RemoveMask() | DriveMasked():
                self._change_masks(request)
            case _:
                self._change_driving(request, step)

    def _step_once(self) -> None:
        if self._parts.player is None:
            self._looks.step_once = self._looks.paused
        elif self._looks.paused:
            self.looking.scrub(1, seconds=False)

    def _change_pace(self, by: int) -> None:
        if self._parts.player is not None:
            self._looks.spawn = self._parts.player.change_pace(by)
            self._looks.say(self._looks.spawn)

    # -------------------------------------------------------------- the world

    def _change_world(self, request: ChangeWeather | NextSpawnPoint | NextCamera) -> None:
        world, looks = self._parts.world, self._looks
        match request:
            case ChangeWeather() | NextSpawnPoint() if world.not_ours:
                looks.say(world.not_ours, "warning")
            case ChangeWeather(by):
                looks.weather = world.next_weather(by) or looks.weather
                looks.say(f"weather: {looks.weather}")
                self._parts.log(f"weather: {looks.weather}")
            case NextSpawnPoint():
                number = world.next_spawn_point()
                self._parts.analyst.forget()
                nowhere = "there is no other free spawn point"
                looks.spawn = looks.spawn if number is None else f"spawn {number}"
                looks.say(nowhere if number is None else f"to spawn point {number}")
                if number is not None:
                    self._parts.log(f"to spawn point {number}")
            case NextCamera():
                looks.say(f"camera: {world.next_view()}")

    def _change_driving(self, request: Request, step: DriveStep | None) -> None:
        parts, looks = self._parts, self._looks
        match request:
            case SwapDrivers() if step is None or step.decision.shadow is None:
                given = "by --shadow" if parts.player is None else "by --model"
                looks.say(f"there is no network to swap with: give one {given}", "warning")
                return
            case Manual() | HandOver() | Autopilot() | SwapDrivers() if parts.follows:
                looks.say("this drive only looks on: the car belongs to somebody else", "warning")
                return
            case ChangeLayer(by):
                self._change_layer(by)
            case ChangeMethod() | HandOver() | Manual() | Autopilot() | SwapDrivers():
                parts.pilot.handle(request)
        if isinstance(request, ChangeMethod | SwapDrivers | ChangeLayer) and looks.paused:
            parts.inspecting.ask_by(parts.pilot.letter, parts.pilot.method, parts.layer())

    def _change_layer(self, by: int) -> None:
        parts = self._parts
        if self._looks.paused:
            parts.inspecting.change_layer(by)
        elif parts.change_layer is not None:
            parts.change_layer(parts.pilot.method, by)
            self._looks.say(f"layer: {parts.layer() or 'as the method chooses'}")

    def _change_strip(self) -> None:
        looks = self._looks
        if looks.paused:
            looks.still = STILL[(STILL.index(looks.still) + 1) % len(STILL)]
        else:
            looks.strip = DRIVING[(DRIVING.index(looks.strip) + 1) % len(DRIVING)]

    def _compare(self, step: DriveStep) -> None:
        if step.decision.shadow is None:
            given = "by --shadow" if self._parts.player is None else "by --model"
            self._looks.say(f"there is no network to compare with: give one {given}", "warning")
        else:
            self._looks.compare = not self._looks.compare

    # -------------------------------------------------------------- mouse and masks

    def _mouse(self, step: DriveStep, state: UiState, x: float, y: float, kind: str) -> None:
        masks, shape = self._parts.masks, step.observation.frame.image.shape[:2]
        if kind != "press":
            point = hits.camera_point(self._layout, shape, x, y, clamp=True)
            if masks.dragging and point is not None:
                masks.move(*point)
                if kind == "release":
                    masks.release()
            return
        newest = self._parts.past.newest
        hit = hits.at(
            self._layout,
            shape,
            state,
            x,
            y,
            now_s=None if newest is None else newest.sim_s,
            named=foot.event_boxes(state.events, self._width) if self._looks.paused else (),
        )
        match hit:
            case hits.CameraHit(x_px, y_px) if self._shows_camera(step):
                if not self._looks.paused:
                    self.looking.inspect()
                masks.press(x_px, y_px)
            case hits.CellHit(index):
                self._parts.inspecting.click(index)
            case hits.EventHit(number):
                self.looking.open_event(number)
            case hits.TimeHit(back_s):
                self.looking.inspect_before(back_s)

    def _shows_camera(self, step: DriveStep) -> bool:
        """Return whether the left pane has the picture that the network is given."""
        compares = self._looks.compare and step.decision.shadow is not None
        return step.observation.view is None and not compares

    def _change_masks(self, request: RemoveMask | DriveMasked) -> None:
        masks, looks = self._parts.masks, self._looks
        if isinstance(request, RemoveMask):
            masks.remove()
        elif not len(masks):
            looks.say("drag a rectangle over the camera picture first", "warning")
        else:
            masks.in_force = not masks.in_force
            masks.revision += 1
            off = "the network sees everything again"
            on = "the network drives with the masks"
            if self._parts.player is not None:
                on = "the network is given the masks"
            looks.say(on if masks.in_force else off)
        self._parts.pilot.masking = masks.hide if masks.in_force else None
