"""What can go wrong in a way that a user can mend.

Every message is one sentence in Swedish that names the file, the row or column, what was wanted and what to do.
No message quotes a complaint's text. The command line prints the message and ends with `exit_code`.
"""


class NollclassifyError(Exception):
    """Base of all errors that are meant for the user's eyes."""

    exit_code = 1


class InputError(NollclassifyError):
    """A case file, or another table that the user gave, cannot be used."""

    exit_code = 4


class ModelError(NollclassifyError):
    """A model directory or a registered model cannot be used."""

    exit_code = 5


class OlderModelError(ModelError):
    """A model of an older nollclassify, whole or not, which this one does not read."""


class SettingsError(NollclassifyError):
    """The settings or the taxonomy file says something impossible."""

    exit_code = 6


class TrackingError(NollclassifyError):
    """The MLflow store cannot be reached or does not hold what was asked for."""

    exit_code = 7


class BrokenOffError(NollclassifyError):
    """The user broke off (Ctrl-C)."""

    exit_code = 130
