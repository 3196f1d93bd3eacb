"""`carla-saliency explain`: pictures of a camera become pictures of what moved the steering."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from carla_saliency import factory
from carla_saliency.commands.explain_asking import Asking
from carla_saliency.commands.explain_sheets import Sheets
from carla_saliency.core import Explanation, Image
from carla_saliency.errors import BadInputError
from carla_saliency.factory import Steering
from carla_saliency.output.map_table import MapTable, Shown
from carla_saliency.output.names import free_name
from carla_saliency.pictures import write_picture
from carla_saliency.settings import ExplainSettings
from carla_saliency.sources import Broken, Picture, Source, find_sources

if TYPE_CHECKING:
    from carla_saliency.output.video import Video

SCALE_EVERY = 10  # of a video, so many frames make one that is looked at for the scale
KEPT_BYTES = 2**28  # of maps of pictures from the first look to the drawing: later ones are redone
TABLE = "explain.csv"
EXIT_SOME_BROKEN = 1


def run(settings: ExplainSettings) -> int:
    """Explain all that can be read, then draw each with the scale of all; return the exit code.

    Nothing is written if there is nothing that can be explained.

    Raises:
        BadInputError: If a setting or an input can't be used, nothing could be explained, or the
            folder can't be written.
        CarlaSaliencyError: If the disk is full.
    """
    factory.require_method(settings.method)
    sources = find_sources(settings.images)
    _check(settings, sources)
    steering = factory.load_steering(settings)
    for line in steering.lines():
        sys.stderr.write(f"{line}\n")
    work = _Work(settings, steering)
    total = _total(sources)
    with _progress("looking", total) as advance:  # all of them first: the scale is of all
        readable = [source for source in sources if work.survey(source, advance)]
    if not readable:
        raise BadInputError(f"nothing could be explained: {work.skipped.summary}")
    with _progress("explaining", total) as advance, work.table() as table:
        for source in readable:
            work.draw(source, table, advance)
        sys.stdout.write(f"{table.path}: {table.count} rows\n")
    if work.skipped.count:
        sys.stderr.write(f"carla-saliency: {work.skipped.summary}\n")
        return EXIT_SOME_BROKEN
    return 0


def _check(settings: ExplainSettings, sources: Sequence[Source]) -> None:
    """Refuse questions that such files can't answer.

    Raises:
        BadInputError: With what to give instead.
    """
    if settings.target == "difference":
        raise BadInputError(
            "--target difference needs the expert, which only a drive has: carla-saliency drive "
            "--target difference"
        )
    if settings.target == "change" and settings.layer is not None:
        raise BadInputError("--target change explains the steering: leave out --layer")
    if settings.baseline == "mean" and len(sources) == 1 and not sources[0].moving:
        raise BadInputError(
            f"--baseline mean: {sources[0].path} is one picture, which is its own mean: give "
            "several, or --baseline blurred"
        )
    for source in sources:
        if settings.target == "change" and not source.moving:
            raise BadInputError(
                f"--target change: {source.path} is one picture, in which nothing changes: give a "
                "video or a log"
            )
        if source.moving and (settings.layer == "all" or settings.activations is not None):
            flag = "--layer all" if settings.layer == "all" else "--activations"
            raise BadInputError(
                f"{flag} makes a sheet of a picture: {source.path} is a video or a log of a drive"
            )


def _total(sources: Sequence[Source]) -> int | None:
    counts = [source.count for source in sources]
    return None if None in counts else sum(count for count in counts if count is not None)


@contextmanager
def _progress(text: str, total: int | None) -> Iterator[Callable[[], None]]:
    if not sys.stderr.isatty() or total == 1:
        yield lambda: None
        return
    from carla_saliency.output.progress import progress  # 0.15 s that a pipe need not wait for

    with progress(text, total) as advance:
        yield advance


class _Skipped:
    """What could not be used: each is named once, at once.

    Attributes:
        count: How many.
    """

    def __init__(self) -> None:
        self._said: set[str] = set()

    @property
    def count(self) -> int:
        return len(self._said)

    @property
    def summary(self) -> str:
        return f"{self.count} broken input{'s were' if self.count > 1 else ' was'} skipped"

    def add(self, text: str) -> None:
        """Name what is skipped, with the reason; both passes come across it."""
        if text not in self._said:
            self._said.add(text)
            sys.stderr.write(f"carla-saliency: skipped: {text}\n")


class _Work:
    """One run of the command: what all its pictures share.

    Attributes:
        skipped: What could not be used.
    """

    def __init__(self, settings: ExplainSettings, steering: Steering) -> None:
        self.skipped = _Skipped()
        self._settings = settings
        self._asking = Asking(settings, steering)
        self._sheets = Sheets(settings, steering, self._asking)
        self._found: dict[Source, list[Explanation]] = {}
        self._kept_bytes = 0

    def table(self) -> MapTable:
        """Make the table that stands beside the pictures.

        Raises:
            BadInputError: If it can't be written.
        """
        return MapTable(self._free(TABLE), self._sheets.degrees.car)

    # -------------------------------------------------------------- looking

    def survey(self, source: Source, advance: Callable[[], None]) -> bool:
        """Explain a picture, or some of a video, for the scale; return whether it can be drawn."""
        any_picture = False
        for picture in self._pictures(source):
            try:
                self._survey(source, picture)
            except BadInputError as error:  # all pictures of one source have one size and network
                self.skipped.add(str(error))
                return False
            any_picture = True
            advance()
        return any_picture

    def _survey(self, source: Source, picture: Picture) -> None:
        frame = self._asking.frame(picture, source)
        if not source.moving:
            explanations = self._asking.explain(source.path, frame)
            self._keep(source, explanations)
            self._sheets.take(explanations)
            return
        self._asking.look(source.path, frame)  # every frame, for networks and methods that remember
        if picture.number % SCALE_EVERY == 0 and not self._sheets.own:
            self._sheets.take(self._asking.explain(source.path, frame))

    def _keep(self, source: Source, explanations: list[Explanation]) -> None:
        self._kept_bytes += sum(one.attribution.nbytes for one in explanations)
        if self._kept_bytes <= KEPT_BYTES:
            self._found[source] = explanations

    def _pictures(self, source: Source) -> Iterator[Picture]:
        """Yield what can be read; what is broken is named."""
        self._asking.begin()
        for one in source.read():
            if isinstance(one, Broken):
                self.skipped.add(one.text)
            else:
                yield one

    # -------------------------------------------------------------- drawing

    def draw(self, source: Source, table: MapTable, advance: Callable[[], None]) -> None:
        """Write all that is wanted of a picture or a video.

        Raises:
            BadInputError: If it can't be written.
            CarlaSaliencyError: If the disk is full.
        """
        if source.moving:
            self._draw_video(source, table, advance)
            return
        for picture in self._pictures(source):
            self._draw_picture(source, picture, table)
            advance()

    def _draw_picture(self, source: Source, picture: Picture, table: MapTable) -> None:
        frame, sheets = self._asking.frame(picture, source), self._sheets
        explanations = self._found.pop(source, None)
        if explanations is None:
            explanations = self._asking.explain(source.path, frame)
        suffix = ".layers" if sheets.every_layer else ""
        sheet = (sheets.layers if sheets.every_layer else sheets.map)(
            picture.name, frame, explanations
        )
        name = f"{_stem(source)}.{self._settings.method}{suffix}.png"
        self._write(name, sheet, explanations[0])
        if self._settings.activations is not None:
            name = f"{_stem(source)}.{sheets.activations_name}.activations.png"
            self._write(name, sheets.activations(picture.name, frame), explanations[0])
        self._add(table, source, picture, explanations)

    def _draw_video(self, source: Source, table: MapTable, advance: Callable[[], None]) -> None:
        from carla_saliency.output.video import Video

        method = "change" if self._settings.target == "change" else self._settings.method
        out = self._free(f"{_stem(source)}.{method}.mp4")
        with ExitStack() as stack:
            video: Video | None = None
            for picture in self._pictures(source):
                frame = self._asking.frame(picture, source)
                explanations = self._asking.explain(source.path, frame)
                sheet = self._sheets.map(_title(picture), frame, explanations)
                if video is None:  # its size is that of the first sheet
                    size = sheet.shape[1], sheet.shape[0]
                    video = stack.enter_context(Video(out, size, source.rate))
                video.write(sheet)
                self._add(table, source, picture, explanations)
                advance()
        sys.stdout.write(f"{out}: {video.count if video else 0} frames\n")

    def _add(
        self, table: MapTable, source: Source, picture: Picture, found: list[Explanation]
    ) -> None:
        shown = Shown(str(source.path), picture.number, picture.time_s, picture.recorded)
        for explanation in found:
            table.add(shown, explanation)

    def _write(self, name: str, sheet: Image, explanation: Explanation) -> None:
        out = self._free(name)
        write_picture(out, sheet)
        sys.stdout.write(f"{out}: steering {self._sheets.steering(explanation)}\n")

    def _free(self, name: str) -> Path:
        return free_name(str(Path(self._settings.out) / name))


def _stem(source: Source) -> str:
    path = source.path
    return path.resolve().name if path.is_dir() else path.stem


def _title(picture: Picture) -> str:
    return picture.name if picture.time_s is None else f"{picture.name} · {picture.time_s:.2f} s"
