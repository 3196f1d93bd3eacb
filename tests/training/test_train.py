from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from carla_saliency.core import Car, Contract, Pose
from carla_saliency.data.augment import Augmentation
from carla_saliency.data.dataset import Dataset, DatasetWriter
from carla_saliency.data.grids import Grids
from carla_saliency.data.labels import Label
from carla_saliency.errors import BadInputError
from carla_saliency.insight.calibration import load_calibration
from carla_saliency.network.contract import load_contract
from carla_saliency.network.preprocess import ContractPreprocess
from carla_saliency.training.batches import Batches
from carla_saliency.training.train import Recipe, errors_by_curvature, train

# TensorFlow's variables don't know NumPy 2's `copy`; Keras converts them when it saves
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONTRACT = Contract("test", Pose(x_m=1.5), 200, 100, 100.0, (34, 100, 0, 200), 66, 200)
CAR = Car("vehicle.tesla.model3", 60.0, 2.5, -1.3, ((0.0, 1.0),), 4.8, 2.2)


def a_label(steering: float, place: str) -> Label:
    return Label(
        steering=steering,
        speed_mps=5.0 + abs(steering),
        curvature=steering / 10,
        offset_m=0.0,
        heading_error_deg=0.0,
        in_junction=False,
        ambiguous=False,
        map_name="curvy",
        look=0,
        weather="clear",
        place=place,
        source="poses",
    )


def write(folder: Path, count: int, car: Car = CAR) -> Path:
    """Frames with a bright bar; the further right it is, the further right is the steering."""
    rng = np.random.default_rng(0)
    with DatasetWriter(folder, CONTRACT, car) as writer:
        for index in range(count):
            steering = float(rng.uniform(-0.3, 0.3))
            picture = rng.integers(40, 90, (100, 200, 3)).astype(np.uint8)
            column = round(100 + steering * 250)
            picture[30:, column - 8 : column + 8] = 230
            writer.add(picture, a_label(steering, f"curvy {index % 10} 0"))
    return folder


@pytest.mark.slow
def test_a_trained_network_follows_what_it_was_shown(tmp_path: Path, caplog) -> None:
    out = tmp_path / "net.keras"
    folder = write(tmp_path / "d", 300)
    recipe = Recipe(epochs=5, batch=24, augmentation=Augmentation(shadow=0))
    with caplog.at_level(logging.INFO, logger="carla_saliency"):
        reports = train([folder], out, recipe)
    assert [report.epoch for report in reports] == [1, 2, 3, 4, 5]
    assert reports[-1].mae < 0.08  # always going straight has 0.15
    assert reports[-1].mae_by_curvature[0] is not None
    assert sum(record.message.startswith("epoch") for record in caplog.records) == 5

    contract = load_contract(out)
    assert contract is not None
    assert contract.max_steer_deg == 60
    assert contract.wheelbase_m == 2.5
    assert contract.speed_kmh == (18.0, 19.1)
    assert contract.crop == CONTRACT.crop
    calibration = load_calibration(out, contract)
    assert calibration is not None
    known = calibration.known
    assert known is not None
    assert calibration.nominal is None
    assert (known.source, known.layer, known.features.shape) == ("training", "dense2", (270, 50))
    grey = known.picture(0).mean(axis=(0, 1))
    assert grey.max() - grey.min() < 10, "the frames' own noise, in RGB"
    report = json.loads((tmp_path / "net.training.json").read_text())
    assert report["frames"] == {"trained": 270, "validated": 30}
    assert len(report["epochs"]) == 5
    assert not list(tmp_path.glob("*.part*"))
    assert out.stat().st_size < 1.5e6  # without the optimiser's state

    again = train([folder], tmp_path / "more.keras", Recipe(epochs=1, lr=1e-4), init=out)
    assert again[0].mae < 0.1  # it went on, it did not begin anew


def test_the_same_seed_gives_the_same_batches_and_epochs_differ(tmp_path: Path) -> None:
    grids = Grids([Dataset(write(tmp_path / "d", 12))], CONTRACT, ContractPreprocess(CONTRACT).crop)
    steering = np.array([label.steering for label in grids.labels], np.float32)

    def batches() -> Batches:
        encode = ContractPreprocess(CONTRACT).encode
        return Batches(grids, steering, np.arange(12), 4, Augmentation(), encode, seed=3)

    one, other = batches(), batches()
    assert len(one) == 3
    images, targets = one[1]
    assert images.shape == (4, 66, 200, 3)
    assert images.dtype == np.float32
    assert targets.shape == (4, 1)
    assert np.array_equal(images, other[1][0])
    assert sorted(abs(np.concatenate([one[i][1] for i in range(3)])[:, 0])) == pytest.approx(
        sorted(abs(steering))
    )
    one.on_epoch_end()
    assert not np.array_equal(one[1][0], other[1][0])


def test_errors_are_told_apart_by_curvature() -> None:
    errors = np.array([0.1, -0.3, 0.2], np.float32)
    curvature = np.array([0.0, 0.002, -0.2], np.float32)
    bins = errors_by_curvature(errors, curvature)
    assert bins[0] == pytest.approx(0.2)
    assert bins[1:5] == (None, None, None, None)
    assert bins[5] == pytest.approx(0.2)


def test_bad_input_gets_one_clear_line_before_any_training(tmp_path: Path) -> None:
    folder, out = write(tmp_path / "d", 4), tmp_path / "net.keras"
    other = write(tmp_path / "other", 4, replace(CAR, wheelbase_m=3.0))
    with pytest.raises(BadInputError, match="at least one folder"):
        train([], out)
    with pytest.raises(BadInputError, match="not a dataset"):
        train([tmp_path / "missing"], out)
    with pytest.raises(BadInputError, match=r"must end in \.keras"):
        train([folder], tmp_path / "net.h5")
    with pytest.raises(BadInputError, match="can't be mixed"):
        train([folder, other], out)
    with pytest.raises(BadInputError, match="there is no network"):
        train([folder], out, init=tmp_path / "missing.keras")
    broken = tmp_path / "broken.keras"
    broken.write_bytes(b"PK no")
    with pytest.raises(BadInputError, match="can't be read as a Keras network"):
        train([folder], out, init=broken)
    with pytest.raises(BadInputError, match="two places"):
        train([write(tmp_path / "one", 1)], out)
    assert not out.exists()
