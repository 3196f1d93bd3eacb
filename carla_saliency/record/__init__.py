"""A drive kept whole in a folder, so that it can be asked new questions later.

`drive.mcap` holds all that a `core.DriveStep` does, in messages that Foxglove and Rerun open as
they are; `drive.mp4` beside it is the annotated video: its picture n is step n. `format.py` says
what is in it, `writer.py` writes it, `reader.py` gives the steps back.
"""
