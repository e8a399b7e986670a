"""The command line: parse, call one function, print, choose the exit code. Heavy imports wait inside the commands."""

from __future__ import annotations

import sys

from nollclassify.cli import drifting, labelling, learning, models, months, relabelling, reviewing, showing
from nollclassify.cli.shared import app
from nollclassify.errors import NollclassifyError

__all__ = [
    "app",
    "drifting",
    "labelling",
    "learning",
    "main",
    "models",
    "months",
    "relabelling",
    "reviewing",
    "showing",
]


def main() -> None:
    """Run the command line; every foreseen error is one sentence and an exit code."""
    try:
        app()
    except NollclassifyError as error:
        print(f"Fel: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
