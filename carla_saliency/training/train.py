"""Trains a steering network on collected frames, and measures it on roads that it has not seen."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array, Contract
from carla_saliency.data.augment import Augmentation
from carla_saliency.data.dataset import Dataset
from carla_saliency.data.grids import Grids, split_places
from carla_saliency.data.labels import Label, same_camera, same_car
from carla_saliency.data.poses import CURVATURE_EDGES
from carla_saliency.errors import BadInputError
from carla_saliency.network.contract import contract_path, load_contract, save_contract
from carla_saliency.network.dave2 import build
from carla_saliency.network.preprocess import ContractPreprocess
from carla_saliency.training.batches import Batches
from carla_saliency.training.known import save_known_frames

logger = logging.getLogger(__name__)

HUBER = 0.05  # steering: errors beyond 3.5 degrees at the wheels count linearly
PREDICT_BATCH = 256
MOMENTUM = 0.95  # of BatchNormalization: Keras's 0.99 lags a hundred steps behind the weights


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Attributes:
        epochs: Passes over the frames.
        batch: Frames per step.
        lr: Highest learning rate of Adam; it falls to a hundredth along a cosine.
        seed: Of weights, order, augmentation and split.
        validation: Share of the places that are kept out of training.
        augmentation: How frames are changed.
    """

    epochs: int = 4
    batch: int = 96
    lr: float = 2e-3
    seed: int = 0
    validation: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True, slots=True)
class EpochReport:
    """How well a network steered after one epoch, on places that it has not seen.

    Attributes:
        epoch: From 1.
        loss: Mean of the training's loss in that epoch.
        mae: Mean absolute error of the steering.
        mae_by_curvature: The same per bin between `CURVATURE_EDGES`, straight roads first; None
            where it is empty.
    """

    epoch: int
    loss: float
    mae: float
    mae_by_curvature: tuple[float | None, ...]

    def __str__(self) -> str:
        bins = " ".join("-" if mae is None else f"{mae:.4f}" for mae in self.mae_by_curvature)
        return (
            f"epoch {self.epoch}: loss {self.loss:.5f}, error {self.mae:.4f} (by curvature {bins})"
        )


def train(
    dataset_dirs: Sequence[str | Path],
    out_path: str | Path,
    recipe: Recipe | None = None,
    init: str | Path | None = None,
    contract: Contract | None = None,
) -> list[EpochReport]:
    """Train a DAVE-2 and write it, its contract, frames that it knows and a report of the training.

    Args:
        dataset_dirs: Folders of datasets, all of one camera and car.
        out_path: The network's file, ending in ".keras"; "<name>.contract.json",
            "<name>.calibration.npz" and "<name>.training.json" go beside it.
        recipe: How; the defaults if not given.
        init: A network to go on from, instead of a new one; use a lower learning rate then.
        contract: Crop, grid and colour of the network; that beside `init`, or that of the first
            dataset, if not given.

    Returns:
        One report per epoch.

    Raises:
        BadInputError: If a dataset is missing, damaged or doesn't fit, or the network can't be
            read or written.
    """
    recipe = recipe or Recipe()
    out = Path(out_path)
    if out.suffix != ".keras":
        raise BadInputError(f"the network's file must end in .keras, received {out.name!r}")
    datasets = _open(dataset_dirs)
    if contract is None:
        found = load_contract(init) if init is not None else None
        contract = found or datasets[0].header.contract
    keras.utils.set_random_seed(recipe.seed)
    model = _model(contract, init)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
    preprocess = ContractPreprocess(contract)
    logger.info("Bringing %d frames to the network's grid.", sum(len(d.labels) for d in datasets))
    grids = Grids(datasets, contract, preprocess.crop)
    learned, kept_out = split_places(grids.labels, recipe.validation, recipe.seed)
    logger.info("Training on %d frames, validating on %d.", len(learned), len(kept_out))
    steering = np.array([label.steering for label in grids.labels], np.float32)
    batches = Batches(
        grids,
        steering,
        learned,
        recipe.batch,
        recipe.augmentation,
        preprocess.encode,
        recipe.seed,
    )
    schedule = keras.optimizers.schedules.CosineDecay(
        recipe.lr, recipe.epochs * len(batches), alpha=0.01
    )
    model.compile(keras.optimizers.Adam(schedule), keras.losses.Huber(HUBER))
    examiner = _Examiner(grids, kept_out, preprocess)
    model.fit(batches, epochs=recipe.epochs, shuffle=False, verbose=0, callbacks=[examiner])
    _save(model, out)
    save_contract(contract_path(out), _contract_of(out.stem, contract, datasets, grids.labels))
    save_known_frames(out, grids, learned)
    _save_report(out, dataset_dirs, recipe, init, (len(learned), len(kept_out)), examiner.reports)
    return examiner.reports


def errors_by_curvature(errors: Array, curvature: Array) -> tuple[float | None, ...]:
    """Return the mean absolute error per bin of |curvature|, None where there is no frame.

    Args:
        errors: Of the steering, (N,).
        curvature: 1/m, (N,).
    """
    bins = np.digitize(np.abs(curvature), CURVATURE_EDGES)
    return tuple(
        float(np.abs(errors[bins == i]).mean()) if (bins == i).any() else None
        for i in range(len(CURVATURE_EDGES) + 1)
    )


class _Examiner(keras.callbacks.Callback):  # type: ignore[misc]
    """Measures the network on the frames that are kept out, after each epoch."""

    def __init__(
        self, grids: Grids, kept_out: NDArray[np.intp], preprocess: ContractPreprocess
    ) -> None:
        super().__init__()
        self._grids, self._kept_out, self._preprocess = grids, kept_out, preprocess
        labels = [grids.labels[i] for i in kept_out]
        self._steering = np.array([label.steering for label in labels], np.float32)
        self._curvature = np.array([label.curvature for label in labels], np.float32)
        self.reports: list[EpochReport] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        parts = range(0, len(self._kept_out), PREDICT_BATCH)
        answers = [self._steer(self._kept_out[i : i + PREDICT_BATCH]) for i in parts]
        errors = np.concatenate(answers) - self._steering
        report = EpochReport(
            epoch + 1,
            float((logs or {})["loss"]),
            float(np.abs(errors).mean()),
            errors_by_curvature(errors, self._curvature),
        )
        self.reports.append(report)
        logger.info("%s", report)

    def _steer(self, indices: NDArray[np.intp]) -> Array:
        inputs = self._preprocess.encode(self._grids.take(indices))
        answer: Array = np.asarray(self.model(inputs, training=False), np.float32)[:, 0]
        return answer


def _open(dataset_dirs: Sequence[str | Path]) -> list[Dataset]:
    datasets = [Dataset(folder) for folder in dataset_dirs]
    if not datasets:
        raise BadInputError("no dataset was given: name at least one folder")
    first = datasets[0].header
    for dataset in datasets[1:]:
        difference = same_camera(first.contract, dataset.header.contract)
        difference = difference or same_car(first.car, dataset.header.car)
        if difference:
            raise BadInputError(
                f"{dataset.folder} and {datasets[0].folder} can't be mixed: {difference}"
            )
    return datasets


def _model(contract: Contract, init: str | Path | None) -> Any:
    shape = (contract.input_height_px, contract.input_width_px, 3)
    if init is None:
        return build(shape)
    if not Path(init).is_file():
        raise BadInputError(f"there is no network {init} to go on from")
    try:
        model = keras.models.load_model(init, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInputError(f"{init} can't be read as a Keras network: {line}") from None
    if model.input_shape != (None, *shape) or model.output_shape != (None, 1):
        raise BadInputError(
            f"{init} goes from {model.input_shape} to {model.output_shape}, "
            f"expected {(None, *shape)} to (None, 1)"
        )
    return model


def _contract_of(
    name: str, contract: Contract, datasets: Sequence[Dataset], labels: Sequence[Label]
) -> Contract:
    """Write into the contract what the network really saw: its car and its speeds."""
    car = datasets[0].header.car
    speeds = [label.speed_mps * 3.6 for label in labels]
    return dataclasses.replace(
        contract,
        name=name,
        speed_kmh=(round(min(speeds), 1), round(max(speeds), 1)),
        max_steer_deg=round(car.max_steer_deg, 3),
        wheelbase_m=round(car.wheelbase_m, 3),
        blueprint=car.blueprint,
    )


def _save(model: Any, out: Path) -> None:
    part = out.with_name(f"{out.stem}.part.keras")  # Keras looks at the ending
    bare = type(model).from_config(model.get_config())  # Adam's state is two thirds of the file
    bare.set_weights(model.get_weights())
    try:
        bare.save(part)
        os.replace(part, out)
    except OSError as error:
        raise BadInputError(f"{out} can't be written: {error}") from None


def _save_report(
    out: Path,
    dataset_dirs: Sequence[str | Path],
    recipe: Recipe,
    init: str | Path | None,
    frames: tuple[int, int],
    reports: Sequence[EpochReport],
) -> None:
    values = {
        "datasets": [Path(folder).name for folder in dataset_dirs],
        "init": None if init is None else Path(init).name,
        "recipe": dataclasses.asdict(recipe),
        "frames": {"trained": frames[0], "validated": frames[1]},
        "curvature_bins": CURVATURE_EDGES,
        "epochs": [dataclasses.asdict(report) for report in reports],
        "versions": {"keras": keras.__version__, "numpy": np.__version__},
    }
    path = out.with_suffix(".training.json")
    try:
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{path} can't be written: {error}") from None
