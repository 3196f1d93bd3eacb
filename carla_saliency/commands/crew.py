"""Who takes part in a drive: the pilot, who finds out, and who is asked while it stands still."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Literal

from carla_saliency import factory
from carla_saliency.commands.inspecting import Inspecting
from carla_saliency.commands.looking import Parts
from carla_saliency.core import Frame
from carla_saliency.factory import Letter, Rider
from carla_saliency.insight.classes import tag_table
from carla_saliency.output.clips import Clips
from carla_saliency.output.past import Past
from carla_saliency.output.recorder import Recorder
from carla_saliency.pilot.explaining import Explaining
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.pilot.seat import Seat
from carla_saliency.pilot.speed import SpeedControl
from carla_saliency.settings import DriveSettings
from carla_saliency.sim.session import CarlaSession


class Crew:
    """Makes them for a session that is open.

    Args:
        stack: Closes what must be closed.
        settings: Of the drive.
        riders: The networks by letter.
        session: Is open.
        say: Is told lines for the person.
        watched: There is a window: a slow map is not waited for.

    Attributes:
        pilot: Decides.
        analyst: Finds out about every step.
        no_classes: Why there is no attention by class, one line; "" if there is.
    """

    def __init__(
        self,
        stack: ExitStack,
        settings: DriveSettings,
        riders: Mapping[Letter, Rider],
        session: CarlaSession,
        say: Callable[[str], None],
        watched: bool,
    ) -> None:
        self._settings, self._riders, self._session = settings, riders, session
        self._say, self._watched = say, watched
        info = session.info
        off = "no attention by class: --semantic off"
        self.no_classes = off if settings.semantic == "off" else info.semantic_trouble
        self.pilot = self._make_pilot(stack)
        tag_groups = None if self.no_classes else tag_table(info.server_version)
        examiners = {
            letter: factory.make_examiner(rider, settings, tag_groups)
            for letter, rider in riders.items()
        }
        self.analyst = factory.make_analyst(riders, examiners, settings, session.car, say)
        subjects = {
            letter: factory.make_subject(rider, examiners[letter], settings)
            for letter, rider in riders.items()
        }
        self._inspecting = Inspecting(subjects)
        stack.callback(self._inspecting.close)
        self._asked = {letter: one.questions.apart() for letter, one in subjects.items()}

    def parts(self, recorder: Recorder, past: Past, clips: Clips) -> Parts:
        """Return everybody who does what a person may ask for."""
        return Parts(
            pilot=self.pilot,
            world=self._session,
            recorder=recorder,
            past=past,
            clips=clips,
            analyst=self.analyst,
            inspecting=self._inspecting,
            change_layer=self._change_layer,
            layer=lambda: self._riders[self.pilot.letter].layer() or "",
            guest=bool(self._session.guest),
            follows=self._session.guest == "follow",
            remembers=self._watched or clips.keeps,
            tick_s=self._session.info.delta_s or 1 / self._settings.fps,
        )

    def steer(self, letter: Letter, frames: Sequence[Frame]) -> float:
        """Ask a network about the last of these frames, apart from the drive."""
        return self._asked[letter].steer(frames)

    def remarks(self) -> list[str]:
        """Return lines about what differs from what one may expect."""
        settings, lines, info = self._settings, [], self._session.info
        for rider in self._riders.values():
            lines += rider.steering.lines()
            lines += factory.contract_warnings(settings, rider.steering, self._session.car)
        if settings.lights == "obey" and not info.traffic_lights:
            lines.append(f"--lights obey: {info.map_name} has no traffic lights on this server")
        return [*lines, self.pilot.seat.rescaling_text, info.guest_text, info.semantic_trouble]

    def _make_pilot(self, stack: ExitStack) -> LearnedPilot:
        settings, a, b = self._settings, self._riders["A"], self._riders.get("B")
        car = self._session.car
        explaining = Explaining(
            a.explainers,
            settings.every,
            not self._watched,
            1 / settings.fps,
            self._say,
            beside=None if b is None else b.explainers,
        )
        stack.callback(explaining.close)
        shadow: Seat | Literal["expert"] | None = None
        if b is not None:
            shadow = Seat(b.steering.title, b.explainers, car, b.steering.contract)
        elif settings.shadow == "expert":
            shadow = "expert"
        return LearnedPilot(
            a.explainers,
            car,
            a.steering.contract,
            SpeedControl(settings.speed / 3.6),
            explaining=explaining,
            throttle=factory.throttle_of(a.steering, settings),
            compared=factory.compared(settings),
            title=a.steering.title,
            shadow=shadow,
            driver="owner" if self._session.guest == "follow" else "network",
        )

    def _change_layer(self, method: str, by: int) -> None:
        """Ask the methods of all networks about the next layer."""
        for rider in self._riders.values():
            if isinstance(rider.explainers, factory.Explainers):
                rider.explainers.change_layer(method, by)
