"""Pictures from arrays. Needs no display: only pygame's fonts are used, and OpenCV."""

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # its greeting goes to stdout
