"""A plugin for the CARLA driving simulator: what a steering network looks at, live."""

__version__ = "0.1.0"
