"""The loop: everything that drives, drives here."""

from __future__ import annotations

from collections.abc import Iterator

from carla_saliency.core import DriveStep, Pilot, Session


def drive(session: Session, pilot: Pilot) -> Iterator[DriveStep]:
    """Drive for ever, yielding one step per tick.

    The control is sent before the step is yielded, so that the server works on the next frame
    while the consumer explains, draws and records this one. The caller ends the drive by leaving
    its `for` loop, and pauses it by not asking for the next step.

    Args:
        session: The simulator.
        pilot: Decides every control.

    Yields:
        The steps, in the order of their frame ids; picture and map are of the same frame.
    """
    observation = session.start()
    while True:
        decision = pilot.decide(observation)
        session.send(decision)
        yield DriveStep(observation, decision)
        observation = session.receive()
