"""Errors that a user can act on: what was expected, what was received, what to do."""


class CarlaSaliencyError(Exception):
    """Base of all errors of this package; its text is one line that is fit to be shown."""


class BadInputError(CarlaSaliencyError):
    """A flag, a file or a value given by the user can't be used; the command exits with code 2."""


class SimulatorError(CarlaSaliencyError):
    """The CARLA server does not answer, answers wrongly, or lost something."""


class ProtocolError(CarlaSaliencyError):
    """Bytes on the wire are not what CARLA's protocol says."""
