"""Times every library in a process of its own, three times in turn, and prints the ratios.

python compare.py FOLDER. PYTHON_OURS and PYTHON_RIVALS are the interpreters that have them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
OURS = "carla_saliency"
SCRIPTS = {
    OURS: "time_ours.py",
    "tf-keras-vis": "time_tf_keras_vis.py",
    "captum": "time_captum.py",
    "xplique": "time_xplique.py",
}
WHAT = ("steering", "steering + map", "nine layers", "SmoothGrad(25)")
WANTED = {
    ("steering + map", "tf-keras-vis"): 12,
    ("steering + map", "captum"): 1.8,
    ("nine layers", "tf-keras-vis"): 12,
    ("SmoothGrad(25)", "tf-keras-vis"): 8,
}
ROUNDS = 3

Times = dict[str, dict[str, float]]


def run(python: str, *arguments: str, prefix: tuple[str, ...] = ()) -> str:
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [*prefix, python, *arguments]
    done = subprocess.run(command, cwd=HERE, env=quiet, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def best(folder: str, ours: str, rivals: str) -> Times:
    """Return library -> what -> the least milliseconds of all rounds."""
    times: Times = {name: {} for name in SCRIPTS}
    for _ in range(ROUNDS):
        for name, script in SCRIPTS.items():
            measured = json.loads(run(ours if name == OURS else rivals, script, folder))
            for what, (least, _) in measured.items():
                times[name][what] = min(least, times[name].get(what, 1e9))
    return times


def table(times: Times) -> list[str]:
    lines = [f"{'milliseconds, least':<22}" + "".join(f"{name:>22}" for name in times)]
    for what in WHAT:
        own = times[OURS][what]
        cells = []
        for name, measured in times.items():
            value = measured.get(what)
            ratio = "" if name == OURS or value is None else f"{value / own:>6.1f}x"
            cells.append(f"{'-' if value is None else f'{value:.2f}':>14}{ratio:>8}")
        lines.append(f"{what:<22}" + "".join(cells))
    return lines


def main() -> None:
    folder = sys.argv[1]
    ours, rivals = os.environ["PYTHON_OURS"], os.environ["PYTHON_RIVALS"]
    run(ours, "network.py", folder)
    times = best(folder, ours, rivals)
    lines = table(times)
    for (what, rival), factor in WANTED.items():
        reached = times[rival][what] / times[OURS][what]
        verdict = "met" if reached >= factor else "MISSED"
        lines.append(f"{what}: wanted {factor:g}x {rival}, received {reached:.1f}x: {verdict}")
    pinned = ("taskset", "-c", "0") if shutil.which("taskset") else ()
    lines.append(
        "one thread on one core: " + run(ours, "time_ours.py", folder, "--sgemm", prefix=pinned)
    )
    code = "from importlib.metadata import version; print(*(f'{n} {version(n)}' for n in names))"
    names = f"names = {['tf-keras-vis', 'captum', 'torch', 'xplique', 'tensorflow', 'keras']}; "
    lines.append(f"{run(rivals, '-c', names + code)} onnxruntime {version('onnxruntime')}")
    sys.stdout.write("\n".join(lines) + "\n")


main()
