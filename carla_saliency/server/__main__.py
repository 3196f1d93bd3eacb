"""`python -m carla_saliency.server`: the embedded CARLA server as a process of its own."""

from __future__ import annotations

import argparse
import logging
import sys

from carla_saliency.server import serve


def main(arguments: list[str] | None = None) -> int:
    """Serve as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m carla_saliency.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address of the interface")
    parser.add_argument("--port", type=int, default=2000, help="RPC port; 0 is any free one")
    parser.add_argument("--map", help="a shipped map's name, or an OpenDRIVE file")
    parser.add_argument("--seed", type=int, default=0, help="of the scenery")
    parser.add_argument(
        "--end-with-stdin", action="store_true", help="end when the standard input ends"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    return serve.run(options.host, options.port, options.map, options.seed, options.end_with_stdin)


if __name__ == "__main__":
    sys.exit(main())
