"""`carla-saliency`: the command line. Heavy imports happen in the commands, not here."""

from __future__ import annotations

import logging
import signal
import sys
from argparse import HelpFormatter
from collections.abc import Callable
from dataclasses import Field, fields
from types import FrameType
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints

from jsonargparse import ArgumentParser

from carla_saliency import __version__
from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.settings import CollectSettings, DriveSettings, ServeSettings, TrainSettings

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2


class Stopped(BaseException):
    """A signal asks for the end; like KeyboardInterrupt it is no error, so it passes `except`."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class _Help(HelpFormatter):
    """jsonargparse's own adds each flag's Python type, which helps nobody who drives."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=100)


class _OneLineParser(ArgumentParser):
    """jsonargparse prints the whole usage with an error; a person needs one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        del ex
        line = " ".join(part.strip(" |") for part in message.splitlines())
        sys.stderr.write(f"carla-saliency: {line}; see carla-saliency --help\n")
        raise SystemExit(EXIT_BAD_INPUT)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 1 for a failure, 2 for bad input."""
    parsed = _parser().parse_args(arguments)
    command = parsed.command
    kind, run = COMMANDS[command]
    values = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in parsed[command].items()
        if name != "config"
    }
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        settings = kind(**values)
        settings.check()
        return run(settings)
    except BadInputError as error:
        sys.stderr.write(f"carla-saliency: {error}\n")
        return EXIT_BAD_INPUT
    except CarlaSaliencyError as error:
        sys.stderr.write(f"carla-saliency: {error}\n")
        return EXIT_FAILED
    except Stopped as stopped:
        return stopped.exit_code


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    # From now on the program is putting things back: a second Ctrl-C must not break that off.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


def _drive(settings: DriveSettings) -> int:
    from carla_saliency.commands.drive import run

    return run(settings)


def _serve(settings: ServeSettings) -> int:
    from carla_saliency.server.serve import run

    return run(settings.host, settings.port, settings.map, settings.seed)


def _collect(settings: CollectSettings) -> int:
    from carla_saliency.commands.collect import run

    return run(settings)


def _train(settings: TrainSettings) -> int:
    from carla_saliency.commands.train import run

    return run(settings)


COMMANDS: dict[str, tuple[type[Any], Callable[[Any], int]]] = {
    "drive": (DriveSettings, _drive),
    "serve": (ServeSettings, _serve),
    "collect": (CollectSettings, _collect),
    "train": (TrainSettings, _train),
}


def _parser() -> ArgumentParser:
    parser = _OneLineParser(
        prog="carla-saliency",
        description="Shows, live, what a steering network looks at while it drives in CARLA.",
        version=__version__,
        formatter_class=_Help,
    )
    commands = parser.add_subcommands(dest="command", required=True)
    for name, (kind, _) in COMMANDS.items():
        summary = (kind.__doc__ or "").splitlines()[0]
        command = _OneLineParser(description=summary, formatter_class=_Help)
        command.add_argument("--config", action="config", help="YAML file with any of these flags")
        hints = get_type_hints(kind)
        for each in fields(kind):
            _add_flag(command, each, hints[each.name])
        commands.add_subcommand(name, command, help=summary)
    return parser


def _add_flag(parser: ArgumentParser, each: Field[Any], hint: Any) -> None:
    flag, text = f"--{each.name.replace('_', '-')}", each.metadata["help"]
    if hint is bool:
        parser.add_argument(flag, action="store_true", help=text)
        return
    several = get_origin(hint) is tuple
    metavar = each.metadata["metavar"]
    if get_origin(hint) is Literal:
        metavar = "{" + ",".join(get_args(hint)) + "}"
    default: Any = each.default
    if default is not None:
        shown = " ".join(default) if several else default
        text = f"{text} (default: {shown})"
    parser.add_argument(
        flag,
        type=get_args(hint)[0] if several else hint,
        nargs="+" if several else None,
        default=list(default) if several else default,
        metavar=metavar,
        help=text,
    )
