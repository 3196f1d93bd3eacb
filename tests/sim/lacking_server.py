"""The embedded server as an older one would be: without some calls and blueprints.

`python lacking_server.py NAME ... -- ARGUMENTS OF THE SERVER`
"""

from __future__ import annotations

import sys

from carla_saliency.server import __main__ as program
from carla_saliency.server.service import Service
from carla_saliency.server.world.world import World

lacking = set(sys.argv[1 : sys.argv.index("--")])
session_methods, definitions = Service._session_methods, World.definitions


def fewer_methods(service: Service) -> dict[str, object]:
    methods = session_methods(service)
    return {name: method for name, method in methods.items() if name not in lacking}


def fewer_definitions(world: World) -> list[object]:
    return [one for one in definitions(world) if one.id not in lacking]


Service._session_methods = fewer_methods
World.definitions = fewer_definitions
sys.exit(program.main(sys.argv[sys.argv.index("--") + 1 :]))
