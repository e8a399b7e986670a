"""What the library of the command line says in English, in Swedish: wrong usage as one sentence, and the help."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from nollclassify.errors import NollclassifyError

# The base of all that is wrong with what was typed, wherever this version of typer keeps it.
_WRONG_USAGE: type[Exception] = typer.BadParameter.__bases__[0]
_KINDS = {int: "ett heltal", float: "ett tal, med punkt som i 0.95", Path: "en fil eller mapp"}
# As they stand in the help. "Skriv:" is as long as "Usage:", so that the lines below stay in place.
_HELP = (
    (r"^Usage:", "Skriv:"),
    (r"^Arguments:$", "Argument:"),
    (r"^Options:$", "Val:"),
    (r"^Commands:$", "Kommandon:"),
    (r"\[required\]", "[krävs]"),
    (r"\[default:", "[förval:"),
    (r"\bx>=(\d+)\]", r"minst \1]"),
)
# What kind of Python value an argument becomes.
_PYTHON_TYPE = re.compile(r" <(?:list\[)?[A-Za-z]+\]?>")


class WrongUsageError(NollclassifyError):
    """The command does not exist, or was given what it does not take."""

    exit_code = 2


class _Swedish:
    """A command, or all of them, with Swedish help and errors."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return list(super().parse_args(ctx, args))  # type: ignore[misc]
        except _WRONG_USAGE as error:
            # Without any command the help is all that there is to say.
            if ctx.parent is None and not args:
                raise
            raise _told(error, ctx) from None

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        pieces = super().collect_usage_pieces(ctx)  # type: ignore[misc]
        return ["[VAL]" if piece == "[OPTIONS]" else _usage_piece(piece) for piece in pieces]

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = "Visa den här hjälpen."
        return option

    def get_help(self, ctx: Any) -> str:
        text: str = super().get_help(ctx)  # type: ignore[misc]
        for english, swedish in _HELP:
            text = re.sub(english, swedish, text, flags=re.MULTILINE)
        return _PYTHON_TYPE.sub(lambda found: " " * len(found[0]), text)


def _usage_piece(piece: str) -> str:
    """`FIL...` of `{FIL...}...`, and `[FIL...]` of `[[FIL...]]...`."""
    if piece.startswith("COMMAND"):
        return "KOMMANDO ..."
    name = piece.strip("[]{}.") + "..." * ("..." in piece)
    return f"[{name}]" if piece.startswith("[") else name


class Command(_Swedish, TyperCommand):
    """A command that speaks Swedish."""


class Commands(_Swedish, TyperGroup):
    """All commands; one that does not exist is told too."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands:
            near = get_close_matches(args[0], self.commands, n=1)
            meant = f"; menade du {near[0]}? Alla kommandon visas av" if near else "; alla kommandon visas av"
            raise WrongUsageError(f"kommandot {args[0]} finns inte{meant} `nollclassify --help`.")
        return super().resolve_command(ctx, args)


# --- wrong usage -------------------------------------------------------------------------------------------------


def _told(error: Any, ctx: typer.Context) -> WrongUsageError:
    """An error of wrong usage as one sentence: what is wrong, what was wanted, and where that stands."""
    command = f"{ctx.info_name} " if ctx.parent else ""
    where = f"{ctx.info_name}: " if ctx.parent else ""
    return WrongUsageError(f"{where}{_fault(error, ctx)}; se `nollclassify {command}--help`.")


def _fault(error: Any, ctx: typer.Context) -> str:
    param, option = getattr(error, "param", None), getattr(error, "option_name", "")
    if param is not None and type(error).__name__ == "MissingParameter":
        meaning = f" ({param.help.rstrip('.')})" if getattr(param, "help", "") else ""
        return f"{_name(param)} saknas{meaning}"
    if param is not None:
        return f"{_name(param)} ska vara {_wanted(param, ctx)}"
    if option and hasattr(error, "possibilities"):
        near = get_close_matches(option, error.possibilities or (), n=1)
        return f"valet {option} finns inte{f' (menade du {near[0]}?)' if near else ''}"
    if option:
        flags = [flag for p in ctx.command.params if getattr(p, "is_flag", False) for flag in _spellings(p)]
        return f"{option} ska stå utan värde" if option in flags else f"{option} saknar sitt värde"
    return "mer är angivet än kommandot tar emot"


def _name(param: Any) -> str:
    """As it is written: `--output (-o)`; an argument without its signs."""
    if param.param_type_name == "argument":
        return str(param.metavar or param.name).strip("[]{}.")
    first, *others = sorted(_spellings(param), key=len, reverse=True)
    return f"{first} ({', '.join(others)})" if others else first


def _spellings(param: Any) -> list[str]:
    return [*param.opts, *param.secondary_opts]


def _wanted(param: Any, ctx: typer.Context) -> str:
    """What kind of value the function behind the command takes."""
    kinds = _flat(get_type_hints(ctx.command.callback or _wanted).get(param.name))
    choices = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    wanted = " eller ".join(choices) or next((_KINDS[kind] for kind in kinds if kind in _KINDS), "något annat")
    least = getattr(param, "min", None)
    return wanted if least is None else f"{wanted}, minst {least}"


def _flat(kind: Any) -> list[Any]:
    """A type and all that it is made of: of `int | None` also `int`."""
    inner = [] if get_origin(kind) is Literal else get_args(kind)
    return [kind, *(part for each in inner for part in _flat(each))]
