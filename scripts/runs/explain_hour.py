"""Explains a long video, and looks for growth of memory.

python explain_hour.py FOLDER FRAMES [WxH]. The video and the table stay in the folder. Prints a
table; ends with 1 if memory grew by more than GROWTH_MB from the first tenth on.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np

from carla_saliency.commands.bench_explain import RATE_HZ, drive
from carla_saliency.output.video import Video

MINUTE = 1200  # different frames; then they come again
GROWTH_MB = 30.0
SIZE = (640, 360)


def make_video(path: Path, frames: int, size: tuple[int, int]) -> None:
    """Write a video; one that is there already is kept."""
    if path.exists():
        return
    minute, part = path.with_name("minute.mp4"), path.with_name(f".part-{path.name}")
    with Video(minute, size, RATE_HZ) as video:
        for picture in drive(min(MINUTE, frames)):
            video.write(np.asarray(cv2.resize(picture, size), np.uint8))
    repeat(minute, part, frames)
    minute.unlink()
    part.rename(path)


def repeat(source: Path, target: Path, frames: int) -> None:
    """Write the pictures of a video again and again, without encoding them anew."""
    with av.open(str(target), "w") as out:
        stream, written = None, 0
        while written < frames:
            with av.open(str(source)) as container:
                pictures = container.streams.video[0]
                stream = stream or out.add_stream_from_template(pictures)
                for packet in container.demux(pictures):
                    if packet.pts is None or written >= frames:
                        continue
                    packet.duration = round(1 / (RATE_HZ * packet.time_base))
                    packet.pts = packet.dts = written * packet.duration
                    packet.stream = stream
                    out.mux(packet)
                    written += 1


def resident_mb(process: int) -> float:
    """Return the memory that a process holds; 0 once it has ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * 4096 / 2**20


def watch(video: Path, folder: Path, frames: int) -> tuple[list[tuple[int, float, float]], int]:
    """Explain a video; return (frames, seconds, MB) at each tenth, and the exit code."""
    table = folder / "explain.csv"
    begin_s, samples, rows = time.monotonic(), [], 0
    arguments = ["explain", str(video), "--method", "gradient", "--out", str(folder)]
    with subprocess.Popen([sys.executable, "-m", "carla_saliency", *arguments]) as process:
        position = 0
        while process.poll() is None:
            time.sleep(0.1)
            if table.exists():
                with table.open("rb") as file:
                    file.seek(position)
                    rows += file.read().count(b"\n")
                    position = file.tell()
            if frames > rows > frames / 10 * (len(samples) + 1):
                samples.append((rows, time.monotonic() - begin_s, resident_mb(process.pid)))
    samples = [sample for sample in samples if sample[2] > 0]
    return samples, process.returncode


def main() -> int:
    folder, frames = Path(sys.argv[1]), int(sys.argv[2])
    width, height = map(int, sys.argv[3].split("x")) if len(sys.argv) > 3 else SIZE
    video = folder / "drive.mp4"
    make_video(video, frames, (width, height))
    for old in (*folder.glob("explain*"), *folder.glob("drive.gradient*")):
        old.unlink()
    samples, code = watch(video, folder, frames)
    print(f"{frames} frames of {width}x{height}, {frames / RATE_HZ / 60:.0f} minutes")
    print("| frames | seconds | MB |\n|---|---|---|")
    for rows, seconds, megabytes in samples:
        print(f"| {rows} | {seconds:.0f} | {megabytes:.0f} |")
    if code or len(samples) < 5:
        return code or 1
    growth_mb = max(sample[2] for sample in samples[1:]) - samples[0][2]
    print(f"growth from the first tenth on: {growth_mb:.1f} MB")
    return int(growth_mb > GROWTH_MB)


if __name__ == "__main__":
    sys.exit(main())
