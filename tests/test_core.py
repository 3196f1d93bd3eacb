import math

import numpy as np
import pytest

from carla_saliency.core import Car, Control, Explanation


@pytest.mark.parametrize(
    "values",
    [
        {"steering": 1.01},
        {"steering": -1.01},
        {"throttle": -0.1},
        {"brake": 2},
        {"steering": math.nan},
    ],
)
def test_a_control_refuses_what_a_car_can_not_do(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="received"):
        Control(**values)


def test_an_explanation_with_nan_is_refused_and_says_whose_it_is() -> None:
    values = np.full((2, 2), np.nan, np.float32)
    with pytest.raises(ValueError, match="contrast gave NaN or infinity for frame 7"):
        Explanation(7, "contrast", 0.0, values)
    with pytest.raises(ValueError, match="contrast gave NaN"):
        Explanation(7, "contrast", math.nan, np.zeros((2, 2), np.float32))


def test_an_explanation_is_two_dimensional_float32() -> None:
    with pytest.raises(ValueError, match=r"received \(2, 2, 3\)"):
        Explanation(7, "contrast", 0.0, np.zeros((2, 2, 3), np.float32))


def test_the_steering_curve_is_interpolated_in_kmh() -> None:
    curve = ((0.0, 1.0), (20.0, 0.9), (60.0, 0.8), (120.0, 0.7))
    car = Car("vehicle.tesla.model3", 70.0, 2.87, -1.4, curve, 4.8, 2.2)
    assert car.steering_factor(0) == 1.0
    assert car.steering_factor(40 / 3.6) == pytest.approx(0.85)
    assert car.steering_factor(-40 / 3.6) == pytest.approx(0.85)
    assert car.steering_factor(100) == pytest.approx(0.7)
