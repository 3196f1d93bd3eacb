from carla_saliency.timing import Pacer, TickTimer


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_section_is_measured_in_milliseconds() -> None:
    clock = Clock()
    timer = TickTimer(clock)
    with timer.section("draw"):
        clock.now_s += 0.004
    assert abs(timer.latest_ms["draw"] - 4) < 1e-6


def test_percentiles_are_of_all_samples_and_keep_the_order_of_the_parts() -> None:
    timer = TickTimer(Clock())
    for value in range(1, 101):
        timer.add("server", float(value))
    timer.add("draw", 3.0)
    percentiles = timer.percentiles()
    assert list(percentiles) == ["server", "draw"]
    assert percentiles["server"] == {"p50": 50.5, "p99": 99.01}
    assert percentiles["draw"] == {"p50": 3.0, "p99": 3.0}


def test_the_pacer_waits_for_the_rest_of_the_tick() -> None:
    clock = Clock()
    pacer = Pacer(delta_s=0.05, pace=1.0, clock=clock)
    pacer.advance()
    clock.now_s += 0.02
    assert abs(pacer.remaining_s() - 0.03) < 1e-9


def test_twice_real_time_halves_the_wait() -> None:
    clock = Clock()
    pacer = Pacer(delta_s=0.05, pace=2.0, clock=clock)
    pacer.advance()
    assert abs(pacer.remaining_s() - 0.025) < 1e-9


def test_a_loop_that_fell_behind_does_not_catch_up() -> None:
    clock = Clock()
    pacer = Pacer(delta_s=0.05, pace=1.0, clock=clock)
    clock.now_s += 10
    pacer.advance()
    assert pacer.remaining_s() == 0
    pacer.advance()
    assert abs(pacer.remaining_s() - 0.05) < 1e-9


def test_pace_zero_never_waits() -> None:
    pacer = Pacer(delta_s=0.05, pace=0.0, clock=Clock())
    pacer.advance()
    assert pacer.remaining_s() == 0
