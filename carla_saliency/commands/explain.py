"""`carla-saliency explain`: pictures of a camera become pictures of what moved the steering."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from carla_saliency import factory, stopping
from carla_saliency.commands.explain_asking import Asking, Explained
from carla_saliency.commands.explain_checks import check, is_result, require_same_grid, total
from carla_saliency.commands.explain_saying import Skipped, bar
from carla_saliency.commands.explain_sheets import Sheets
from carla_saliency.commands.recorded import recorded_drive
from carla_saliency.core import ClassShares, Explanation, Image
from carla_saliency.errors import BadInputError
from carla_saliency.factory import Steering
from carla_saliency.output.codecs import VideoOptions
from carla_saliency.output.map_table import MapTable, Shown
from carla_saliency.output.names import free_name
from carla_saliency.pictures import write_picture
from carla_saliency.settings import ExplainSettings
from carla_saliency.settings.fields import parse_size
from carla_saliency.sources import Broken, Picture, Source, find_sources

if TYPE_CHECKING:
    from carla_saliency.output.video import Video

SCALE_EVERY = 10  # of a video, so many frames make one that is looked at for the scale
SCALE_MAPS = 1000  # of a long one not more than this
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
    sources = find_sources(settings.images, recorded_drive, is_result)
    check(settings, sources)
    steering = factory.load_steering(settings)
    for line in steering.lines():
        sys.stderr.write(f"{line}\n")
    require_same_grid(sources, steering.contract)
    work = _Work(settings, steering)
    with bar("looking", work.to_survey(sources)) as advance:  # all of them: the scale is of all
        readable = [source for source in sources if work.survey(source, advance)]
        work.settle()
    if not readable:
        raise BadInputError(f"nothing could be explained: {work.skipped.summary}")
    with work.table() as table:  # closes it in any case; the first error is the one that tells
        try:
            with bar("explaining", total(sources)) as advance:
                for source in readable:
                    work.draw(source, table, advance)
        except stopping.Stopped:  # what is done is there
            _close(table)
            raise
        _close(table)
    if work.skipped.count:
        sys.stderr.write(f"carla-saliency: {work.skipped.summary}\n")
        return EXIT_SOME_BROKEN
    return 0


def _close(table: MapTable) -> None:
    table.close()
    sys.stdout.write(f"{table.path}, {table.parquet.name}: {table.count} rows\n")


class _Work:
    """One run of the command: what all its pictures share.

    Attributes:
        skipped: What could not be used.
    """

    def __init__(self, settings: ExplainSettings, steering: Steering) -> None:
        self.skipped = Skipped()
        self._settings = settings
        self._options = VideoOptions(settings.codec, settings.crf, fast=True)
        self._asking = Asking(settings, steering)
        self._sheets = Sheets(settings, steering, self._asking)
        self._found: dict[Source, list[Explanation]] = {}
        self._kept_bytes = 0
        self._needs_scale = not self._sheets.own and not settings.table_only
        self._size = None if settings.res is None else parse_size("--res", settings.res, "1280x360")

    def table(self) -> MapTable:
        """Make the table that stands beside the pictures.

        Raises:
            BadInputError: If it can't be written.
        """
        out = first = Path(self._settings.out) / TABLE
        try:
            first.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = error.strerror
            raise BadInputError(f"--out {first.parent} can't be made: {why}") from None
        number = 2
        while out.exists() or out.with_suffix(".parquet").exists():  # both have one name
            out = first.with_stem(f"{first.stem}-{number}")
            number += 1
        return MapTable(out, self._sheets.degrees.car)

    # -------------------------------------------------------------- looking

    def settle(self) -> None:
        """End the survey: the scale is found."""
        self._sheets.settle()

    def to_survey(self, sources: Sequence[Source]) -> int | None:
        """Return how many pictures are looked at for the scale; None = nobody knows."""
        if self._needs_scale:
            return total(sources)
        return len(sources)

    def survey(self, source: Source, advance: Callable[[], None]) -> bool:
        """Explain a picture, or some of a video, for the scale; return whether it can be drawn."""
        try:
            return self._surveyed(source, advance)
        except BadInputError as error:  # all pictures of one source have one size and network
            self.skipped.add(str(error))
            return False

    def _surveyed(self, source: Source, advance: Callable[[], None]) -> bool:
        if source.moving:
            return self._survey_moving(source, advance)
        any_picture = False
        for picture in self._pictures(source):
            explanations = self._asking.explain(source.path, self._asking.frame(picture, source))
            self._keep(source, explanations)
            self._sheets.take(explanations)
            any_picture = True
            advance()
        return any_picture

    def _survey_moving(self, source: Source, advance: Callable[[], None]) -> bool:
        any_picture = False
        every = max(SCALE_EVERY, (source.count or 0) // SCALE_MAPS)
        remembers = self._asking.remembers  # then it must be shown every picture
        wanted = self._asking.explained(
            source,
            1 if remembers else every,
            lambda picture: picture.number % every == 0 or not remembers,
        )
        with closing(wanted):
            for one in self._readable(wanted):
                any_picture = True
                if not self._needs_scale:  # that it can be explained is enough
                    advance()
                    break
                self._sheets.take([one.explanation])
                for _ in range(every):
                    advance()
        return any_picture

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
        self._add(table, source, picture, explanations)
        if self._settings.table_only:
            return
        suffix = ".layers" if sheets.every_layer else ""
        sheet = (sheets.layers if sheets.every_layer else sheets.map)(
            picture.name, frame, explanations
        )
        name = f"{_stem(source)}.{self._settings.method}{suffix}.png"
        self._write(name, sheet, explanations[0])
        if self._settings.activations is not None:
            name = f"{_stem(source)}.{sheets.activations_name}.activations.png"
            self._write(name, sheets.activations(picture.name, frame), explanations[0])

    def _draw_video(self, source: Source, table: MapTable, advance: Callable[[], None]) -> None:
        if self._settings.table_only:
            for one in self._frames(source, table, advance):
                del one
            return
        from carla_saliency.output.video import Video

        method = "change" if self._settings.target == "change" else self._settings.method
        out = self._free(f"{_stem(source)}.{method}.mp4")
        self._sheets.begin_film()
        with ExitStack() as stack:
            video: Video | None = None
            try:
                for one in self._frames(source, table, advance):
                    title = _title(one.picture)
                    picture = self._sheets.film(title, one.frame, one.explanation, self._size)
                    if video is None:  # its size is that of the first picture
                        size = picture.shape[1], picture.shape[0]
                        video = stack.enter_context(
                            Video(out, size, source.rate, self._options, source.keeps_times)
                        )
                    video.write(picture, one.picture.time_s or 0.0)
            finally:  # also if a person stops it: what is done is there
                stack.close()
                sys.stdout.write(f"{out}: {video.count if video else 0} frames\n")

    def _frames(
        self, source: Source, table: MapTable, advance: Callable[[], None]
    ) -> Iterator[Explained]:
        """Yield the explained frames; each is in the table when the next one is asked for."""
        with closing(self._asking.explained(source)) as frames:
            for one in self._readable(frames):
                yield one
                self._add(table, source, one.picture, [one.explanation], one.shares)
                advance()

    def _readable(self, frames: Iterator[Explained | Broken]) -> Iterator[Explained]:
        """Yield what could be explained; what is broken is named."""
        for one in frames:
            stopping.check()
            if isinstance(one, Broken):
                self.skipped.add(one.text)
            else:
                yield one

    def _add(
        self,
        table: MapTable,
        source: Source,
        picture: Picture,
        found: Sequence[Explanation],
        shares: ClassShares | None = None,
    ) -> None:
        shown = Shown(str(source.path), picture.number, picture.time_s, picture.recorded)
        for explanation in found:
            table.add(shown, explanation, shares)

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
