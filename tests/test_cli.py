import os
import subprocess
import sys
from dataclasses import MISSING
from pathlib import Path

import pytest

from carla_saliency import cli
from carla_saliency.cli import COMMANDS

ROOT = Path(__file__).parent.parent


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "carla_saliency", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_every_flag(command, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for name, field in COMMANDS[command][0].__dataclass_fields__.items():
        is_flag = field.default is not MISSING
        assert (f"--{name.replace('_', '-')}" if is_flag else field.metadata["metavar"]) in text


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys; from carla_saliency import cli\n"
        "try: cli.main(['drive', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'carla', 'tensorflow', 'cv2', 'pygame', 'onnxruntime', 'moderngl', 'numpy'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines()[-1] == "loaded: []"


@pytest.mark.parametrize(
    "arguments",
    [
        ["drive", "--ticks", "0"],
        ["drive", "--fps", "0"],
        ["drive", "--res", "0x0"],
        ["drive", "--res", "abc"],
        ["drive", "--port", "two"],
        ["drive", "--embedded", "perhaps"],
        ["drive", "--no-such-flag"],
        ["drive", "--config", "no-such-file.yaml"],
        ["drive", "--record", "no/such/folder/d.mp4"],
        pytest.param(["drive", "--method", "guess"], marks=pytest.mark.slow),
        pytest.param(["drive", "--model", "no-such.keras"], marks=pytest.mark.slow),
        pytest.param(
            ["drive", "--map", "no-such-file.xodr", "--embedded", "always"], marks=pytest.mark.slow
        ),
        pytest.param(
            ["drive", "--weather", "Rainbow", "--embedded", "always", "--headless"],
            marks=pytest.mark.slow,
        ),
        ["explain"],
        ["explain", "frame.png", "--out", "no-such-folder"],
        pytest.param(["explain", "no-such.png"], marks=pytest.mark.slow),
        pytest.param(["explain", str(ROOT / "README.md")], marks=pytest.mark.slow),
        ["serve", "--port", "70000"],
        ["fly"],
        [],
    ],
    ids=lambda words: " ".join(words) or "nothing",
)
def test_bad_input_is_one_line_with_exit_code_2_and_leaves_nothing(arguments, tmp_path) -> None:
    answer = run(*arguments, cwd=tmp_path)
    assert answer.returncode == 2, answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1, answer.stderr
    assert answer.stderr.startswith("carla-saliency: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.keras", b""),
        ("truncated.keras", b"PK\x03\x04 and then nothing"),
        ("text.h5", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        ("not-xml.xodr", b"this is no map"),
        ("no-road.xodr", b"<OpenDRIVE><header/></OpenDRIVE>"),
        ("unknown-key.yaml", b"speeed: 30\n"),
        ("broken.yaml", b"speed: [30\n"),
        ("list.yaml", b"- speed\n"),
    ],
)
def test_a_file_that_can_not_be_used_is_one_line_with_exit_code_2(name, content, tmp_path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    flag = {".xodr": "--map", ".yaml": "--config"}.get(path.suffix, "--model")
    answer = run("drive", "--embedded", "always", "--headless", "--ticks", "3", flag, str(path))
    assert answer.returncode == 2, answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1, answer.stderr
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_can_not_be_written_is_refused_before_the_drive(tmp_path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):  # root may write anywhere but here
        folder = Path("/proc")
    answer = run("drive", "--record", str(folder / "d.mp4"))
    assert answer.returncode == 2
    assert "--record" in answer.stderr


def test_a_config_that_only_has_comments_is_the_defaults(tmp_path, capsys) -> None:
    path = tmp_path / "calm.yaml"
    path.write_text("# speed: 25\n")
    assert cli.main(["drive", "--config", str(path), "--ticks", "0"]) == 2
    assert "--ticks" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ticks", "1.5"], "--ticks must be a whole number, received '1.5'"),
        (["--fps", "abc"], "--fps must be a number, received 'abc'"),
        (
            ["--embedded", "maybe"],
            "--embedded must be one of auto, always, never, received 'maybe'",
        ),
        (["--any-version", "yes"], "unrecognized arguments: yes"),
    ],
)
def test_a_value_of_the_wrong_kind_is_said_in_words(arguments, said, capsys) -> None:
    assert cli.main(["drive", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_reader_who_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m carla_saliency doctor | true; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert ended.stdout == "1\n"
    assert ended.stderr == ""
