"""A drive as it goes on, in other people's viewers: `--live` for Foxglove, `--rerun` for Rerun."""
