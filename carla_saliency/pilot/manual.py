"""Held keys become a smooth control, as in CARLA's own `manual_control.py`."""

from __future__ import annotations

from carla_saliency.core import Control, HeldKeys

_STEER_PER_S = 0.5  # CARLA: 5e-4 each millisecond
_MOST_STEER = 0.7  # CARLA's
_BACK_PER_S = 2.0  # CARLA lets the wheel jump back; that is a jolt in the picture
_THROTTLE_PER_S = 2.0
_BRAKE_PER_S = 4.0


class ManualDriving:
    """Remembers where wheel and pedals are."""

    def __init__(self) -> None:
        self._control = Control()

    def move(self, keys: HeldKeys, passed_s: float) -> Control:
        """Return the control after keys were held for a time.

        Steering grows while a key is held, jumps to the middle when the other one is pressed, and
        goes back to it when none is (or both are).

        Args:
            keys: Held all that time.
            passed_s: Since the last call.

        Raises:
            ValueError: If time runs backwards.
        """
        if not passed_s >= 0.0:
            raise ValueError(f"passed_s must be at least 0, received {passed_s!r}")
        last = self._control
        self._control = Control(
            steering=_steered(last.steering, keys, passed_s),
            throttle=_pressed(last.throttle, keys.throttle, _THROTTLE_PER_S * passed_s),
            brake=_pressed(last.brake, keys.brake, _BRAKE_PER_S * passed_s),
            hand_brake=keys.hand_brake,
            reverse=keys.reverse,
        )
        return self._control


def _steered(steering: float, keys: HeldKeys, passed_s: float) -> float:
    way = int(keys.right) - int(keys.left)
    if way == 0:
        back = _BACK_PER_S * passed_s
        return max(0.0, steering - back) if steering > 0 else min(0.0, steering + back)
    from_middle = max(0.0, steering * way)  # on the other side: begin in the middle
    return way * min(_MOST_STEER, from_middle + _STEER_PER_S * passed_s)


def _pressed(pedal: float, is_held: bool, change: float) -> float:
    return min(1.0, pedal + change) if is_held else 0.0
