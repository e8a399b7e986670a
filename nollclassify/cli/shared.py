"""What the commands have in common: the application, options, settings, steps on the screen, exit codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from nollclassify.cli.in_swedish import Command, Commands
from nollclassify.errors import BrokenOffError, NollclassifyError

if TYPE_CHECKING:
    from nollclassify.settings import Settings

_Function = TypeVar("_Function", bound=Callable[..., Any])
EXIT_REJECTED, EXIT_NOT_PROMOTED = 3, 8


class _Commands(Commands):
    """The commands; who breaks one off is told in Swedish what is left of it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise BrokenOffError("avbrutet; ingen fil är halvskriven, kör samma kommando igen.") from None
        except BrokenExecutor:
            # The system ends the largest process when memory runs out.
            told = (
                "en av processerna dog, troligen för att minnet tog slut; stäng andra program och kör kommandot igen."
            )
            raise NollclassifyError(told) from None


class _Application(typer.Typer):
    def command(self, name: str | None = None, **options: Any) -> Callable[[_Function], _Function]:
        return super().command(name, cls=Command, **options)


app = _Application(
    cls=_Commands,
    name="nollclassify",
    help="Läser svenska klagomål och säger varför kunden är missnöjd.",
    epilog="Slutkoder: 0 allt gick väl; 2 fel i kommandot; 3 några rader kunde inte märkas; 4 indata; 5 modell; "
    "6 inställningar; 7 MLflow; 8 modellen befordrades inte; 130 avbrutet.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Files = Annotated[  # not as paths, which would spoil the address of a table on a cluster
    list[str], typer.Argument(metavar="FIL...", help="Ärendefiler: CSV, Excel, JSON Lines eller Parquet.")
]
Model = Annotated[
    str, typer.Option("--model", metavar="MAPP", help="Modellmapp eller models:/NAMN@ALIAS. [förval: models/champion]")
]
Taxonomy = Annotated[
    str, typer.Option("--taxonomy", metavar="FIL", help="Egen taxonomifil i stället för den medföljande.")
]


def settings_for(taxonomy: str = "") -> Settings:
    """The settings of the working directory, perhaps with another taxonomy."""
    from dataclasses import replace

    from nollclassify.settings import load_settings

    settings = load_settings()
    return replace(settings, taxonomy=taxonomy) if taxonomy else settings


def model_directory(model: str, settings: Settings) -> Path:
    """A model's directory; only a registry address needs MLflow."""
    if not model.startswith(("models:/", "runs:/")):
        return Path(model or settings.champion)
    from nollclassify.tracking import Tracking

    return Tracking(settings).fetch(model)


def number(value: float, digits: int = 2, sign: str = "") -> str:
    """A number with a decimal comma, a dash where it is not known; `sign` as in a format: + for one always."""
    return f"{value:{sign}z.{digits}f}".replace(".", ",") if value == value else "–"


def spanned(value: float, low: float, high: float) -> str:
    """A number with its interval, two decimals each."""
    until = " till " if low < 0 else "–"
    return f"{number(value)} ({number(low)}{until}{number(high)})" if value == value else "–"


@contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """Show what goes on, on standard error: a turning sign in a terminal, a line a step elsewhere."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, markup=False)
    if not console.is_terminal:
        yield lambda message: console.print(f"… {message}")
        return
    with console.status("börjar") as status:
        yield lambda message: status.update(f"{message} …")
