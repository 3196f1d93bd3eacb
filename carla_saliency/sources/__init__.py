"""Where pictures of a camera come from: files, folders, videos, and the logs of other programs."""

from carla_saliency.sources.finding import find_sources
from carla_saliency.sources.source import Broken, Picture, Source

__all__ = ["Broken", "Picture", "Source", "find_sources"]
