"""A session under CARLA's autopilot in a process of its own, which must end cleanly.

`python autopilot_process.py PORT drive|wait`
"""

from __future__ import annotations

import sys

from carla_worlds import CONTRACT, drive

from carla_saliency.core import Control, Decision, EventKind
from carla_saliency.errors import SimulatorError
from carla_saliency.sim.session import CarlaSession, SessionSettings

AUTOPILOT = Decision(Control(brake=1.0), "autopilot", None)


def tell(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def drive_and_give_back(settings: SessionSettings) -> None:
    with CarlaSession(settings, CONTRACT) as session:
        drive(session, 20)
        seen = drive(session, 200, AUTOPILOT)[1:]
        back = drive(session, 20)[1:]
        again = drive(session, 20, AUTOPILOT)[1:]
    lanes = [one.lane for one in seen if one.lane is not None]
    events = [event for one in [*seen, *again] for event in one.events]
    tell("speed_kmh", seen[-1].speed_mps * 3.6)
    tell("worst_m", max(abs(lane.offset_m) for lane in lanes))
    tell("applied", sum(one.applied is not None for one in seen))
    tell("interventions", sum(event.kind is EventKind.INTERVENTION for event in events))
    tell("back", back[0].applied)


def main() -> None:
    port, how = int(sys.argv[1]), sys.argv[2]
    settings = SessionSettings(port=port, timeout_s=3.0, seed=1, spawn=1)
    if how == "drive":
        drive_and_give_back(settings)
        return
    try:
        with CarlaSession(settings, CONTRACT) as session:
            drive(session, 30, AUTOPILOT)
            tell("driving")
            sys.stdin.readline()
            drive(session, 100, AUTOPILOT)
    except SimulatorError as error:
        tell(error)


main()
