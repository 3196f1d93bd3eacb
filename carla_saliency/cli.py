"""`carla-saliency`: the command line. Heavy imports happen in the commands, not here."""

from __future__ import annotations

import difflib
import logging
import os
import re
import sys
from argparse import HelpFormatter
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints

import yaml
from jsonargparse import ArgumentParser

from carla_saliency import __version__, stopping
from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.settings import (
    CalibrateSettings,
    CollectSettings,
    DoctorSettings,
    DriveSettings,
    ExplainSettings,
    ExportSettings,
    RepairSettings,
    ReplaySettings,
    ServeSettings,
    TrainSettings,
)

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2


class _Help(HelpFormatter):
    """jsonargparse's own adds each flag's Python type, which helps nobody who drives."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=100)


class _OneLineParser(ArgumentParser):
    """jsonargparse prints the whole usage with an error; a person needs one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        del ex
        line = " ".join(part.strip(" |") for part in message.splitlines())
        wrong = re.search(r'Parser key "(\w+)".*(?:Got value|Given value): (.*?)\.?$', line)
        if wrong:
            flag, kind = wrong[1].replace("_", "-"), _kind_of(wrong[1])
            line = f"--{flag} must be {kind}, received {wrong[2]!r}"
        raise BadInputError(f"{line}; see carla-saliency --help")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 1 for a failure, 2 for bad input."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        stopping.install()
        return _run(arguments)
    except BadInputError as error:
        sys.stderr.write(f"carla-saliency: {error}\n")
        return EXIT_BAD_INPUT
    except CarlaSaliencyError as error:
        sys.stderr.write(f"carla-saliency: {error}\n")
        return EXIT_FAILED
    except stopping.Stopped as stopped:
        return stopped.exit_code
    except BrokenPipeError:  # whoever read what is said (head, for example) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # also at Python's own end
        return EXIT_FAILED


def _run(arguments: list[str]) -> int:
    parsed = _parser(_command_in(arguments)).parse_args(_checked_config(arguments))
    kind, run = COMMANDS[parsed.command]
    values = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in parsed[parsed.command].items()
        if name != "config"
    }
    settings = kind(**values)
    settings.check()
    return run(settings)


def _drive(settings: DriveSettings) -> int:
    with stopping.held():
        from carla_saliency.commands.drive import run

    return run(settings)


def _explain(settings: ExplainSettings) -> int:
    with stopping.held():
        from carla_saliency.commands.explain import run

    return run(settings)


def _doctor(settings: DoctorSettings) -> int:
    with stopping.held():
        from carla_saliency.commands.doctor import run

    return run(settings)


def _serve(settings: ServeSettings) -> int:
    with stopping.held():
        from carla_saliency.server.serve import run

    return run(settings.host, settings.port, settings.map, settings.seed)


def _collect(settings: CollectSettings) -> int:
    with stopping.held():
        from carla_saliency.commands.collect import run

    return run(settings)


def _train(settings: TrainSettings) -> int:
    with stopping.held():
        from carla_saliency.commands.train import run

    return run(settings)


def _calibrate(settings: CalibrateSettings) -> int:
    with stopping.held():
        from carla_saliency.commands.calibrate import run

    return run(settings)


def _export(settings: ExportSettings) -> int:
    with stopping.held():
        from carla_saliency.commands.export import run

    return run(settings)


def _repair(settings: RepairSettings) -> int:
    with stopping.held():
        from carla_saliency.commands.repair import run

    return run(settings)


def _replay(settings: ReplaySettings) -> int:
    with stopping.held():
        from carla_saliency.commands.replay import run

    return run(settings)


COMMANDS: dict[str, tuple[type[Any], Callable[[Any], int]]] = {
    "drive": (DriveSettings, _drive),
    "explain": (ExplainSettings, _explain),
    "doctor": (DoctorSettings, _doctor),
    "serve": (ServeSettings, _serve),
    "collect": (CollectSettings, _collect),
    "train": (TrainSettings, _train),
    "calibrate": (CalibrateSettings, _calibrate),
    "export": (ExportSettings, _export),
    "repair": (RepairSettings, _repair),
    "replay": (ReplaySettings, _replay),
}


def _command_in(arguments: list[str]) -> str | None:
    return next((word for word in arguments if word in COMMANDS), None)


def _parser(wanted: str | None) -> ArgumentParser:
    """Return the parser; only the command that is wanted has its flags, since each costs time."""
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
        if name == wanted:
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
    if each.default is MISSING:
        kind = get_args(hint)[0]
        parser.add_argument(each.name, type=kind, nargs="*", default=[], metavar=metavar, help=text)
        return
    if get_origin(hint) is Literal:
        metavar = "{" + ",".join(get_args(hint)) + "}"
    default: Any = each.default
    if default not in (None, ()):
        shown = " ".join(default) if several else default
        text = f"{text} (default: {shown})"
    bare = each.metadata["bare"]
    optional = {} if bare is None else {"nargs": "?", "const": bare}
    parser.add_argument(
        flag,
        type=get_args(hint)[0] if several else hint,
        default=list(default) if several else default,
        metavar=metavar,
        help=text,
        **({"nargs": "+"} if several else optional),
    )


def _kind_of(name: str) -> str:
    """Return in words what the value of a flag must be."""
    for kind, _ in COMMANDS.values():
        hint = get_type_hints(kind).get(name)
        if hint is None:
            continue
        if get_origin(hint) is Literal:
            return f"one of {', '.join(get_args(hint))}"
        kinds = set(get_args(hint)) or {hint}
        words = {int: "a whole number", float: "a number", bool: "true or false"}
        return next((words[one] for one in words if one in kinds), "a text")
    return "something else"


def _checked_config(arguments: list[str]) -> list[str]:
    """Return the arguments, without a config file that says nothing.

    Raises:
        BadInputError: If the file is missing, not YAML, or has a key that is no flag.
    """
    command = _command_in(arguments)
    for i, word in enumerate(arguments):
        name = word.partition("=")[2] if word.startswith("--config=") else None
        if word == "--config" and i + 1 < len(arguments):
            name = arguments[i + 1]
        if name is None or command is None:
            continue
        rest = arguments[:i] + arguments[i + 1 + (word == "--config") :]
        return arguments if _config_keys(Path(name), command) else rest
    return arguments


def _config_keys(path: Path, command: str) -> list[str]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text"
        raise BadInputError(f"--config {path} can't be read: {reason}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"
        raise BadInputError(
            f"--config {path} is not YAML{place}: look at what stands there"
        ) from None
    if values is None:
        return []
    if not isinstance(values, dict):
        raise BadInputError(f"--config {path} must have lines such as `speed: 25`")
    known = [each.name for each in fields(COMMANDS[command][0])]
    for key in values:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise BadInputError(f"--config {path}: {key!r} is no setting of {command}: {hint}")
    return list(values)
