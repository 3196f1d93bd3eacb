import io
import struct
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from carla_saliency.core import Contract, Pose
from carla_saliency.errors import BadInputError
from carla_saliency.insight.calibration import (
    Calibration,
    KnownFrames,
    Nominal,
    calibration_path,
    load_calibration,
    network_digest,
    read_calibration,
    write_calibration,
)
from carla_saliency.insight.jumps import Gamma
from carla_saliency.insight.map_check import Limits
from carla_saliency.insight.novelty import known_frames

CONTRACT = Contract("test", Pose(x_m=1.5), 200, 100, 100.0, (34, 100, 0, 200), 66, 200)
SHARES = np.array([0.3, 0.4, 0.1, 0.1, 0.05, 0.05, 0, 0], np.float32)
NOMINAL = Nominal(
    method="contrast",
    maps="town, curvy",
    frames=900,
    map_scale=5e-4,
    shares=SHARES,
    on_road=0.71,
    jumps=Gamma(0.8, 0.012),
    apart_s=0.05,
    limits=Limits(0.5, 0.9, 0.9, 1.5),
)


def known() -> KnownFrames:
    rng = np.random.default_rng(0)
    pictures = [np.full((33, 100, 3), grey, np.uint8) for grey in range(30)]
    return known_frames(
        "dense2", rng.normal(size=(30, 12)).astype(np.float32), pictures, "training"
    )


def whole() -> Calibration:
    return Calibration("0123abcd" * 4, known(), NOMINAL)


def written(tmp_path: Path, calibration: Calibration) -> Path:
    path = tmp_path / "net.calibration.npz"
    write_calibration(path, calibration)
    return path


def same(one: Calibration, other: Calibration) -> bool:
    """Compare value by value; arrays have no truth of their own."""
    return repr(one.nominal) == repr(other.nominal) and (
        (one.known is None and other.known is None)
        or (
            one.known is not None
            and other.known is not None
            and one.known.thumbnails == other.known.thumbnails
            and all(
                np.array_equal(getattr(one.known, name), getattr(other.known, name))
                for name in ("layer", "units", "source", "features", "mean", "spread", "limit")
            )
        )
    )


def test_what_is_written_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    path = written(tmp_path, whole())
    found = read_calibration(path)
    assert same(found, whole())
    assert found.network == whole().network
    first = path.read_bytes()
    write_calibration(path, found)
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "calibration",
    [
        Calibration("a"),
        Calibration("a", nominal=NOMINAL),
        Calibration("a", known()),
        Calibration(
            "a",
            nominal=replace(
                NOMINAL,
                shares=np.full(8, np.nan, np.float32),
                on_road=float("nan"),
                jumps=None,
                limits=None,
            ),
        ),
    ],
    ids=["nothing", "no frames", "frames only", "no tags, no jumps"],
)
def test_a_calibration_may_know_only_a_part(tmp_path: Path, calibration: Calibration) -> None:
    assert same(read_calibration(written(tmp_path, calibration)), calibration)


def test_it_is_for_one_method() -> None:
    assert whole().nominal_for("contrast") is NOMINAL
    assert whole().nominal_for("gradient") is None
    assert Calibration("a").nominal_for("contrast") is None


def test_numpy_alone_can_read_it(tmp_path: Path) -> None:
    with np.load(written(tmp_path, whole()), allow_pickle=False) as file:
        assert str(file["method"]) == "contrast"
        assert file["features"].shape == (30, 12)


def test_it_lies_beside_the_model() -> None:
    assert calibration_path("a/dave2.keras") == Path("a/dave2.calibration.npz")
    assert calibration_path("a/saved") == Path("a/saved.calibration.npz")


def test_it_is_found_by_the_model_and_left_out_for_other_weights_or_inputs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = tmp_path / "net.keras"
    model.write_bytes(b"weights")
    assert load_calibration(model, CONTRACT) is None
    digest = network_digest(model, CONTRACT)
    written(tmp_path, replace(whole(), network=digest))
    turned = replace(CONTRACT, name="other", camera=Pose(pitch_deg=4.0))
    found = load_calibration(model, turned)
    assert found is not None, "how the camera is mounted is for the drive to notice"
    assert found.network == digest
    assert not caplog.records
    assert load_calibration(model, replace(CONTRACT, colour="yuv")) is None
    model.write_bytes(b"Weights")
    assert load_calibration(model, CONTRACT) is None
    first, second = (record.getMessage() for record in caplog.records)
    assert first == second
    assert "other weights or inputs than net.keras" in first


def test_a_folder_of_files_has_a_digest_too(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    before = network_digest(folder, CONTRACT)
    (folder / "variables" / "data").write_bytes(b"weights")
    assert network_digest(folder, CONTRACT) != before
    with pytest.raises(BadInputError, match="can't read"):
        network_digest(tmp_path / "missing", CONTRACT)


# ------------------------------------------------------------------ what may not be believed


def refused(path: Path) -> str:
    with pytest.raises(BadInputError) as raised:
        read_calibration(path)
    line = str(raised.value)
    assert "\n" not in line
    assert str(path) in line
    assert len(line) < 400
    return line


def changed(tmp_path: Path, **values: object) -> Path:
    """Return a file with some values replaced; None leaves one out."""
    path = written(tmp_path, whole())
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files} | values
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"format": 2}, "format must be 1"),
        ({"network": None}, "lacks network"),
        ({"network": 3}, "network must be a text"),
        ({"network": "a\nb"}, "one line"),
        ({"layer": "x" * 1000}, "at most 500"),
        ({"features": np.zeros((30, 12))}, "features must be float16"),
        ({"features": np.full((30, 12), np.nan, np.float16)}, "NaN"),
        ({"features": np.zeros((30, 99), np.float16)}, "1 to 64"),
        ({"features": np.zeros((3000, 2), np.float16)}, "1 to 2000"),
        ({"features": np.zeros((29, 12), np.float16)}, "offsets"),
        ({"mean": np.zeros(3, np.float32)}, "12 features"),
        ({"spread": np.zeros(12, np.float32)}, "above 0"),
        ({"units": 0}, "at least 1"),
        ({"novelty_limit": np.nan}, "novelty_limit"),
        ({"source": "hearsay"}, "must be one of training"),
        ({"thumbnails": None}, "lacks thumbnails"),
        ({"thumbnails": np.zeros(100, np.uint8)}, "offsets"),
        ({"offsets": np.zeros(31, np.int64)}, "offsets"),
        ({"shares": np.zeros(3, np.float32)}, "8 numbers"),
        ({"shares": np.full(8, 7, np.float32)}, "from 0 to 1"),
        ({"on_road": -0.1}, "from 0 to 1"),
        ({"map_scale": np.inf}, "map_scale"),
        ({"jumps": np.array([0.0, 1.0])}, "above 0"),
        ({"jumps": np.array([1.0, 2.0, 3.0])}, "shape and a scale"),
        ({"limits": np.zeros(3)}, "limits must be 4"),
        ({"limits": np.array([np.nan, 1, 1, 1])}, "NaN"),
        ({"method": np.array([{}], object)}, "no plain array"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else next(iter(value)),
)
def test_a_wrong_value_is_one_clear_line(
    tmp_path: Path, values: dict[str, object], words: str
) -> None:
    assert words in refused(changed(tmp_path, **values))


def test_thumbnails_must_be_small_jpegs_of_one_size(tmp_path: Path) -> None:
    huge = bytearray(known().thumbnails[0])
    at = huge.index(b"\xff\xc0")
    huge[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)  # 10 GB when decoded
    for thumbnail in (bytes(huge), b"no picture at all", b"\xff\xd8\xff"):
        bad = replace(known(), thumbnails=(thumbnail,) * 30)
        path = written(tmp_path, Calibration("a", bad))
        assert "JPEG" in refused(path)
    mixed = (*known().thumbnails[:-1], bytes(huge))
    path = written(tmp_path, Calibration("a", replace(known(), thumbnails=mixed)))
    assert "of one size" in refused(path)


def test_a_damaged_thumbnail_is_said_when_it_is_wanted() -> None:
    jpeg = known().thumbnails[0]
    end = jpeg.index(b"\xff\xda")
    bad = replace(known(), thumbnails=(jpeg[:end], b"", *known().thumbnails[2:]))
    for index in (0, 1):
        with pytest.raises(BadInputError, match=f"thumbnail {index}"):
            bad.picture(index)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.calibration.npz"
    with pytest.raises(BadInputError, match="can't read"):
        read_calibration(path)
    for content in (b"", b"no zip", b"PK\x03\x04" + bytes(50)):
        path.write_bytes(content)
        assert "no whole .npz" in refused(path)
    np.savez(path, a=np.zeros(3))
    assert "lacks format" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("format.npy", b"not an array")
    assert "no calibration that can be used" in refused(path)
    path.write_bytes(bytes(1_000_001))
    assert "at most 1000000 bytes" in refused(path)


def test_a_file_that_was_cut_or_changed_anywhere_is_refused_or_read_as_what_it_is(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, whole())
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for length in rng.integers(0, len(content), 60):
        path.write_bytes(content[:length])
        refused(path)
    for _ in range(400):
        bad = bytearray(content)
        for at in rng.integers(0, len(content), rng.integers(1, 4)):
            bad[at] = rng.integers(0, 256)
        path.write_bytes(bad)
        with suppress(BadInputError):  # some bytes of a zip file mean nothing
            read_calibration(path)


def test_a_file_that_unpacks_to_far_more_is_refused_before_it_does(tmp_path: Path) -> None:
    path = tmp_path / "net.calibration.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("format.npy", bytes(200_000_000))
    assert path.stat().st_size < 1_000_000
    assert "unpacks to more" in refused(path)
    lying = path.read_bytes().replace(struct.pack("<I", 200_000_000), struct.pack("<I", 1000))
    path.write_bytes(lying)
    assert "no calibration that can be used" in refused(path)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (10**8,)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("format.npy", header.getvalue() + bytes(8))
    assert "cut short" in refused(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("format.npy", header.getvalue())
    assert "another way" in refused(path)


def test_a_place_that_can_t_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="can't be written"):
        write_calibration(tmp_path / "missing" / "net.calibration.npz", whole())
    folder = tmp_path / "net.calibration.npz"
    folder.mkdir()
    with pytest.raises(BadInputError, match="can't be written"):
        write_calibration(folder, whole())
    assert list(tmp_path.iterdir()) == [folder]


def test_what_is_too_large_is_not_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    much = replace(known(), thumbnails=tuple(rng.bytes(999) for _ in range(1200)))
    with pytest.raises(ValueError, match="1000000 bytes"):
        write_calibration(tmp_path / "net.calibration.npz", Calibration("a", much))
    assert not list(tmp_path.iterdir())
