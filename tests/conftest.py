"""Shared by all tests: no display, no sound, and TensorFlow in a run of its own.

TensorFlow and Mesa's software renderer each bring an LLVM, and crash in one process. The product
never has both in one; the tests are two runs, `pytest` and `pytest --tensorflow`.
"""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A shell starts what runs in its background with SIGINT ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # so does nohup

HERE = Path(__file__).parent
WITH_TENSORFLOW = {
    HERE / "network/test_against_keras.py",
    HERE / "network/test_saved_model.py",
    HERE / "network/test_tensorflow_runtime.py",
    HERE / "training/test_train.py",
}

# Nothing is kept in the home of whoever runs the tests.
CACHE = tempfile.mkdtemp(prefix="carla-saliency-tests-")
os.environ["XDG_CACHE_HOME"] = CACHE
atexit.register(shutil.rmtree, CACHE, ignore_errors=True)

SLOW = {  # as a whole: together three quarters of the time of all that is not marked slow by itself
    HERE / name
    for name in (
        *("network/test_bad_files.py", "network/test_black_box.py", "network/test_onnx_file.py"),
        *("network/test_layer_gradients.py", "commands/test_replay.py"),
        *("commands/test_replay_window.py", "commands/test_screen.py", "draw/test_painter.py"),
        *("draw/test_every_meaning.py", "draw/test_window_states.py", "draw/test_inspecting.py"),
        *("draw/test_feature_maps.py", "server/render/test_renderer.py"),
        *("server/scene/test_scene_builder.py", "server/test_with_carla_client.py"),
        *("server/roads/test_against_carla_map.py", "output/test_past.py", "output/test_clips.py"),
        *("output/test_video.py", "output/test_video_repair.py", "live/test_foxglove_stream.py"),
        *("sim/test_lane.py", "test_explain_command.py", "test_explain_drives.py", "test_cli.py"),
        *("test_planted_pixel.py", "test_replay_odd_cases.py", "test_api.py"),
        *("export/test_export_command.py", "insight/test_novelty.py", "output/test_web.py"),
        *("record/test_record_file.py", "output/test_codecs.py", "sources/test_source_videos.py"),
    )
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before -m chooses among them."""
    for item in items:
        if item.path in SLOW:
            item.add_marker("slow")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tensorflow", action="store_true", help="the tests with TensorFlow alone")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not collection_path.name.startswith("test_") or collection_path.is_dir():
        return None
    wanted = bool(config.getoption("--tensorflow"))
    return True if (collection_path in WITH_TENSORFLOW) != wanted else None


HANDLERS = {
    number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
}


@pytest.fixture(autouse=True)
def signal_handlers_stay() -> Iterator[None]:
    """A command that ran in the test's own process, or in a fixture, leaves its handlers behind."""
    hook = sys.unraisablehook
    _give_back_the_signals()
    yield
    sys.unraisablehook = hook
    _give_back_the_signals()


def _give_back_the_signals() -> None:
    for number, handler in HANDLERS.items():
        signal.signal(number, handler)
