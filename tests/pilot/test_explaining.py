from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from carla_saliency.core import Explanation, Frame, Inputs, Meaning, Seen
from carla_saliency.errors import BadInputError
from carla_saliency.pilot.explaining import Explaining, ordinal

PICTURE = np.zeros((2, 2, 3), np.uint8)


@dataclass
class Fake:
    """Steers by the number of the frame; explains when the test lets it."""

    name: str = "fake"
    slow: bool = True
    meaning: Meaning = field(default_factory=lambda: Meaning(title="fake"))
    go: threading.Event = field(default_factory=threading.Event)
    explained: list[int] = field(default_factory=list)
    nan_in: int | None = None

    def look(self, frame: Frame) -> Seen:
        return Seen(frame.frame_id, PICTURE, Inputs(np.zeros((1, 2, 2, 3), np.float32)))

    def steer(self, seen: Seen) -> float:
        return float("nan") if seen.frame_id == self.nan_in else seen.frame_id / 100

    def explain_seen(self, seen: Seen) -> Explanation:
        assert self.go.wait(20)
        self.explained.append(seen.frame_id)
        return Explanation(seen.frame_id, self.name, self.steer(seen), np.zeros((2, 2), np.float32))

    def explain(self, frame: Frame) -> Explanation:
        return self.explain_seen(self.look(frame))


def frames(count: int, first: int = 1) -> list[Frame]:
    return [Frame(i, i * 0.05, PICTURE) for i in range(first, first + count)]


@pytest.fixture
def slow() -> Iterator[Fake]:
    fake = Fake()
    yield fake
    fake.go.set()  # no test may leave its worker waiting


@pytest.fixture
def quick() -> Fake:
    fake = Fake(name="quick", slow=False)
    fake.go.set()
    return fake


def test_a_fast_method_explains_every_frame_in_its_tick(quick: Fake) -> None:
    explaining = Explaining({"quick": quick})
    for frame in frames(5):
        look = explaining.look("quick", frame)
        assert look.explanation is not None
        assert look.explanation.frame_id == frame.frame_id
        assert (look.explained, look.every) == (None, 1)


def test_steering_does_not_wait_for_a_slow_map(slow: Fake) -> None:
    explaining = Explaining({"fake": slow})
    looks = [explaining.look("fake", frame) for frame in frames(10)]
    assert [look.steering for look in looks] == [i / 100 for i in range(1, 11)]
    assert all(look.explanation is None for look in looks)
    slow.go.set()
    explaining.close()
    assert slow.explained == [1]  # one at a time: the others came while it was busy


def test_a_slow_map_says_of_which_frame_it_is(slow: Fake) -> None:
    slow.go.set()
    explaining = Explaining({"fake": slow}, every=3, waits=True)
    looks = [explaining.look("fake", frame) for frame in frames(9)]
    explaining.close()
    shown = [None if look.explained is None else look.explained.frame_id for look in looks]
    assert shown == [None, None, None, 1, 1, 1, 4, 4, 4]
    assert [look.explanation and look.explanation.frame_id for look in looks] == shown
    assert {look.every for look in looks[3:]} == {3}


def test_which_frame_shows_which_map_does_not_depend_on_the_machine(slow: Fake) -> None:
    slow.go.set()

    def shown(clock_step_s: float) -> list[int | None]:
        explaining = Explaining({"fake": slow}, every=2, waits=True, clock=lambda: clock_step_s)
        looks = [explaining.look("fake", frame) for frame in frames(8)]
        explaining.close()
        return [None if look.explained is None else look.explained.frame_id for look in looks]

    assert shown(0.0) == shown(9.0) == [None, None, 1, 1, 3, 3, 5, 5]


def test_n_is_measured_once_and_said(slow: Fake) -> None:
    slow.go.set()
    times = iter([0.0, 0.12])
    said: list[str] = []
    explaining = Explaining(
        {"fake": slow}, waits=True, tick_s=0.05, say=said.append, clock=lambda: next(times)
    )
    looks = [explaining.look("fake", frame) for frame in frames(7)]
    explaining.close()
    assert said == ["fake takes 120 ms: a map of every 3rd frame (--every 3 does the same again)"]
    assert {look.every for look in looks} == {3}


def test_another_method_drops_the_maps_of_the_first(slow: Fake, quick: Fake) -> None:
    slow.go.set()
    explaining = Explaining({"fake": slow, "quick": quick}, every=None, waits=False)
    explaining.look("fake", frames(1)[0])
    look = explaining.look("quick", frames(1, 2)[0])
    assert look.explanation is not None
    assert look.explanation.method == "quick"
    again = explaining.look("fake", frames(1, 3)[0])
    assert again.explanation is None
    explaining.close()


def test_a_change_of_method_does_not_wait_for_the_map_that_is_under_way(
    slow: Fake, quick: Fake
) -> None:
    explaining = Explaining({"fake": slow, "quick": quick})
    explaining.look("fake", frames(1)[0])  # its worker stands until the test lets it go
    look = explaining.look("quick", frames(1, 2)[0])
    assert look.explanation is not None
    again = [explaining.look("fake", frame) for frame in frames(3, 3)]
    assert [look.explanation for look in again] == [None, None, None]
    slow.go.set()
    explaining.close()


def test_a_map_of_another_method_is_never_shown(slow: Fake) -> None:
    other = Fake(name="other")
    explaining = Explaining({"fake": slow, "other": other})
    explaining.look("fake", frames(1)[0])
    looks = [explaining.look("other", frames(1, 2)[0])]
    slow.go.set()
    other.go.set()
    for number in range(3, 2000):
        looks.append(explaining.look("other", frames(1, number)[0]))
        if looks[-1].explanation is not None:
            break
        time.sleep(0.005)
    explaining.close()
    shown = {look.explanation.method for look in looks if look.explanation is not None}
    assert shown == {"other"}


def test_a_fast_method_can_be_asked_for_every_second_frame_only(quick: Fake) -> None:
    explaining = Explaining({"quick": quick}, every=2, waits=True)
    for frame in frames(7):
        explaining.look("quick", frame)
    explaining.close()
    assert quick.explained[:3] == [1, 3, 5]  # the last one may not have begun


def test_nan_is_refused_before_it_is_sent(slow: Fake) -> None:
    slow.nan_in = 2
    explaining = Explaining({"fake": slow})
    explaining.look("fake", frames(1)[0])
    with pytest.raises(BadInputError, match="NaN or infinity for frame 2"):
        explaining.look("fake", frames(1, 2)[0])
    slow.go.set()
    explaining.close()


def test_an_error_of_the_worker_reaches_the_drive(slow: Fake) -> None:
    def fails(seen: Seen) -> Explanation:
        raise BadInputError(f"frame {seen.frame_id} can't be explained")

    slow.explain_seen = fails  # type: ignore[method-assign]
    explaining = Explaining({"fake": slow}, every=1, waits=True)
    explaining.look("fake", frames(1)[0])
    with pytest.raises(BadInputError, match="frame 1 can't be explained"):
        explaining.look("fake", frames(1, 2)[0])
    explaining.close()


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd")]
)
def test_ordinals(number: int, text: str) -> None:
    assert ordinal(number) == text


def test_the_maps_of_two_networks_are_always_of_one_frame(slow: Fake) -> None:
    other = Fake(name="fake", go=slow.go)
    explaining = Explaining({"fake": slow}, beside={"fake": other})
    first, *rest = frames(30)
    look = explaining.look("fake", first)
    assert look.explanation is None
    assert look.beside is not None
    assert (look.beside.steering, look.beside.explanation) == (0.01, None)
    slow.go.set()
    for frame in rest:
        look = explaining.look("fake", frame)
        assert look.beside is not None
        assert look.beside.steering == frame.frame_id / 100
        if look.explanation is not None:
            assert look.beside.explanation is not None
            assert look.beside.explanation.frame_id == look.explanation.frame_id
        time.sleep(0.005)
    assert look.explanation is not None
    explaining.close()


def test_swapped_networks_begin_anew(quick: Fake) -> None:
    other = Fake(name="other", slow=False, go=quick.go)
    explaining = Explaining({"m": quick}, beside={"m": other})
    one = explaining.look("m", frames(1)[0])
    explaining.swap()
    two = explaining.look("m", frames(1)[0])
    assert one.explanation is not None
    assert two.explanation is not None
    assert (one.explanation.method, two.explanation.method) == ("quick", "other")


def test_a_second_network_that_cannot_be_explained_so_still_steers(quick: Fake) -> None:
    class Some(dict[str, Fake]):
        def __getitem__(self, name: str) -> Fake:
            if name == "m":
                raise BadInputError("it has no such layer")
            return super().__getitem__(name)

    others = Some(n=Fake(name="n", slow=False, go=quick.go))
    look = Explaining({"m": quick}, beside=others).look("m", frames(1, 7)[0])
    assert look.beside is not None
    assert (look.beside.steering, look.beside.explanation) == (0.07, None)
