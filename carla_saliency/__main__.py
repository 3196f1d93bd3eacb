"""`python -m carla_saliency` is `carla-saliency`."""

import sys

from carla_saliency.cli import main

if __name__ == "__main__":
    sys.exit(main())
