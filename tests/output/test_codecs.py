"""Videos of every codec: what is in the file, and that a real browser plays them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import av
import numpy as np
import pytest
from browser import chromium

from carla_saliency.errors import BadInputError
from carla_saliency.output.codecs import Codec, VideoOptions
from carla_saliency.output.video import Video

SIZE = (320, 180)
COUNT = 60
IN_THE_FILE = {"h264": ("h264", "avc1"), "hevc": ("hevc", "hvc1"), "av1": ("libdav1d", "av01")}


def write(path: Path, options: VideoOptions) -> Path:
    """Three seconds, one second each of red, green, blue."""
    with Video(path, SIZE, 20.0, options) as video:
        for number in range(COUNT):
            image = np.full((SIZE[1], SIZE[0], 3), 20, np.uint8)
            image[..., number // 20] = 220
            video.write(image)
    return path


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_every_codec_keeps_pictures_times_and_colours(
    tmp_path: Path, codec: Codec, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "d.mp4", VideoOptions(codec))
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.codec_tag) == IN_THE_FILE[codec]
        assert (context.pix_fmt, context.width, context.height) == ("yuv420p", *SIZE)
        assert (int(context.colorspace), int(context.color_range)) == (1, 1)  # BT.709, limited
        frames = list(file.decode(stream))
        assert [frame.time for frame in frames] == pytest.approx([n / 20 for n in range(COUNT)])
        for number in (5, 25, 45):
            rgb = frames[number].reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
            assert rgb[90, 160].argmax() == number // 20
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"moof" not in data
    assert capfd.readouterr() == ("", "")  # some encoders talk, past Python


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_a_smaller_crf_is_a_larger_file(tmp_path: Path, codec: Codec) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
    sizes = []
    for crf in (10, 45):
        with Video(tmp_path / "d.mp4", SIZE, 20.0, VideoOptions(codec, crf)) as video:
            video.write(noise)
        sizes.append((tmp_path / "d.mp4").stat().st_size)
    assert sizes[0] > 2 * sizes[1]


@pytest.mark.parametrize(("codec", "worst"), [("h264", 51), ("hevc", 51), ("av1", 63)])
def test_a_quality_that_there_is_not_is_refused(codec: Codec, worst: int) -> None:
    VideoOptions(codec, worst)
    for crf in (-1, worst + 1):
        with pytest.raises(BadInputError, match=f"from 0 .best. to {worst} for {codec}"):
            VideoOptions(codec, crf)


def test_a_fast_one_can_be_played_just_as_well(tmp_path: Path) -> None:
    with av.open(str(write(tmp_path / "d.mp4", VideoOptions(fast=True)))) as file:
        stream = file.streams.video[0]
        frames = list(file.decode(stream))
        assert int(stream.codec_context.colorspace) == 1
    assert [frame.time for frame in frames] == pytest.approx([n / 20 for n in range(COUNT)])


def test_an_encoder_that_is_not_there_is_told_before_the_first_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VideoOptions, "encoder", "libnone")
    with pytest.raises(BadInputError, match=r"--codec av1 needs libnone.*choose another"):
        Video(tmp_path / "d.mp4", SIZE, 20.0, VideoOptions("av1"))
    assert not list(tmp_path.iterdir())


def write_without_end(path: Path, options: VideoOptions) -> None:
    """Leave the file as a kill does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("carla_saliency.output.video.make_faststart", lambda _: None)
        write(path, options)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"moof") + 50])  # in its last piece


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing about it."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a folder with a video of each codec and a page."""
    folder = tmp_path_factory.mktemp("served")
    codecs: tuple[Codec, ...] = ("h264", "hevc", "av1")
    for codec in codecs:
        write(folder / f"{codec}.mp4", VideoOptions(codec))
        write_without_end(folder / f"{codec}-cut-off.mp4", VideoOptions(codec))
    write(folder / "h264-fast.mp4", VideoOptions(fast=True))
    (folder / "page.html").write_text("<video muted></video><canvas></canvas>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


PLAY = """async (address) => {
    const video = document.querySelector("video"), canvas = document.querySelector("canvas");
    const comes = (name) => new Promise((resolve, reject) => {
        video.addEventListener(name, resolve, {once: true});
        video.addEventListener("error", () => reject(video.error.message), {once: true});
    });
    video.src = URL.createObjectURL(await (await fetch(address)).blob());  // seeks need no server
    await comes("loadeddata");
    video.currentTime = 1.5;
    await comes("seeked");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    const colour = [...context.getImageData(160, 90, 1, 1).data];
    video.currentTime = 0;
    await comes("seeked");
    await video.play();
    while (video.currentTime < 0.2) await comes("timeupdate");
    return [video.duration, canvas.width, canvas.height, colour];
}"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["h264", "h264-fast", "h264-cut-off", "hevc", "av1", "av1-cut-off"]
)
def test_a_browser_plays_and_seeks_it(served: str, name: str) -> None:
    codec = name.partition("-")[0]
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{served}/page.html")
        kind = {"h264": "avc1.42E01E", "hevc": "hvc1.1.6.L60.90", "av1": "av01.0.00M.08"}[codec]
        says = page.evaluate(f"""document.createElement("video")
            .canPlayType('video/mp4; codecs="{kind}"')""")
        if codec == "hevc" and not says:
            pytest.skip("this Chromium was built without HEVC, as most are without a GPU")
        assert says == "probably"
        duration, width, height, colour = page.evaluate(PLAY, f"{served}/{name}.mp4")
    if name.endswith("cut-off"):
        assert 2.4 < duration < 3.0
    else:
        assert duration == pytest.approx(3.0, abs=0.06)
    assert (width, height) == SIZE
    assert colour[1] > 180  # green, in the middle of the second second
    assert max(colour[0], colour[2]) < 60
