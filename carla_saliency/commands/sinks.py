"""Who else is given every finished step: the record, the streams to other people's viewers.

Their libraries take a quarter of a second to import, which other drives need not wait for: so each
is imported where it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

from carla_saliency.commands.looking import Sink
from carla_saliency.core import DriveStep, Image
from carla_saliency.draw.compare import letter
from carla_saliency.factory import Letter, Rider
from carla_saliency.output.window import has_screen
from carla_saliency.record.extras import Extras
from carla_saliency.settings import DriveSettings, parse_endpoint
from carla_saliency.sim.session import CarlaSession

Say = Callable[[str], None]


def open_record(
    stack: ExitStack,
    settings: DriveSettings,
    riders: Mapping[Letter, Rider],
    session: CarlaSession,
    say: Say,
    fail: Say,
) -> tuple[Sink, Say] | None:
    """Return who keeps the steps, and who keeps what is said; None if nobody is wanted.

    Args:
        stack: Closes the record.
        settings: Of the drive.
        riders: The networks by letter.
        session: Is open.
        say: Is told how much disk is needed, and in the end what was kept.
        fail: Is told one line if keeping had to stop; the drive goes on.

    Raises:
        BadInputError: If nothing can be written there.
    """
    folder = settings.record_folder
    if folder is None:
        return None
    from carla_saliency.commands import keeping

    say(keeping.space_for(folder, settings, riders))
    record = keeping.open_record(folder, settings, riders, session, fail)
    stack.callback(lambda: say(keeping.what_was_kept(record)))
    stack.enter_context(record)
    return record.write, record.log


def open_streams(
    stack: ExitStack, settings: DriveSettings, riders: Mapping[Letter, Rider], say: Say, fail: Say
) -> Iterator[Sink]:
    """Yield those who show the drive elsewhere; none of them can slow it.

    Args:
        stack: Closes them.
        settings: Of the drive.
        riders: The networks by letter.
        say: Is told where to look.
        fail: Is told one line if one of them ended.

    Raises:
        BadInputError: If one can't be opened.
    """
    title = riders["A"].steering.title
    if settings.live is not None:
        from carla_saliency.live.foxglove_stream import FoxgloveStream

        host, port = parse_endpoint("--live", settings.live)
        foxglove = FoxgloveStream(host, port, title, say, fail)
        stack.callback(foxglove.close)
        yield foxglove.add
    if settings.rerun:
        from carla_saliency.commands.map_pictures import map_picture
        from carla_saliency.live.rerun_stream import RerunStream

        crops = {letter: rider.steering.preprocess.crop for letter, rider in riders.items()}

        def picture(step: DriveStep, extras: Extras) -> Image | None:
            return map_picture(step, extras.map_scale, crops[letter(step.decision)])

        rerun = RerunStream(title, has_screen(), picture, say, say)  # it may be closed any time
        stack.callback(rerun.close)
        yield rerun.add
