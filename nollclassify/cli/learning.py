"""Commands on what people decided: learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nollclassify.cli.shared import EXIT_REJECTED, Taxonomy, app, settings_for, steps

if TYPE_CHECKING:
    import pandas as pd

    from nollclassify.learning import Learned

# More lines than this on the screen are read by nobody.
_SHOWN = 20


@app.command(epilog='Exempel: nollclassify learn granska-mars.xlsx --reviewer "Anna"')
def learn(
    books: Annotated[
        list[Path] | None, typer.Argument(metavar="[BOK...]", help="Ifyllda böcker från `review`.")
    ] = None,
    reviewer: Annotated[
        str, typer.Option(metavar="NAMN", help="Vem som svarat där raden inte säger det. [förval: bokens namn]")
    ] = "",
    take_back: Annotated[
        list[str] | None,
        typer.Option("--take-back", metavar="ÄRENDE", help="Ta tillbaka beslutet om ett ärende, utan bok."),
    ] = None,
    taxonomy: Taxonomy = "",
) -> None:
    """Läs in svaren i ifyllda böcker, så att nästa träning lär sig av dem. Samma bok två gånger ändrar inget."""
    with steps() as progress:
        progress("läser böckerna")
        from nollclassify.learning import learn as run
        from nollclassify.taxonomy import load_taxonomy

        settings = settings_for(taxonomy)
        loaded = load_taxonomy(Path(settings.taxonomy) if settings.taxonomy else None)
        result = run(*(books or []), reviewer=reviewer, settings=settings, take_back=take_back or ())
    _print_books(result)
    _print_problems(result)
    _print_conflicts(result.conflicts, loaded.names_sv)
    print(f"{result.n_settled} avgjorda klagomål finns nu att träna på; kör `nollclassify train`.")
    if len(result.problems):
        raise typer.Exit(EXIT_REJECTED)


def _print_books(result: Learned) -> None:
    if result.by_hand:
        print(f"{result.by_hand} beslut är tillbakatagna.")
    for row in result.books.to_dict("records"):
        print(
            f"{row['book']}: {row['new']} nya beslut, {row['changed']} ändrade, {row['unchanged']} oförändrade, "
            f"{row['taken_back']} tillbakatagna, {row['unanswered']} klagomål utan svar"
        )
        if row["unnamed"]:
            print("  Ändrade svar räknas som samma persons. Har en annan fyllt i boken: ange --reviewer NAMN.")


def _print_problems(result: Learned) -> None:
    problems = result.problems
    if problems.empty:
        return
    print(f"Att rätta ({len(problems)}); allt annat är inläst. Rätta i boken och läs in den igen:")
    for row in problems.head(_SHOWN).to_dict("records"):
        where = f", rad {row['line']}, kolumn {row['column']}" if row["line"] else ""
        print(f"  {row['book']}{where}: {row['reason']}")
    _print_rest(len(problems))
    if result.problem_files:
        print(f"  Samma lista: {', '.join(map(str, result.problem_files))}")


def _print_conflicts(conflicts: pd.DataFrame, names_sv: Callable[[str], str]) -> None:
    if conflicts.empty:
        return
    by_case = list(conflicts.groupby("key", sort=False))
    print(f"Granskarna är oense, och tills de är överens tränas inget av detta in (antal ärenden: {len(by_case)}):")
    for _, rows in by_case[:_SHOWN]:
        said = [
            f"{row['reviewer']} {names_sv(row['causes'])} ({row['file']}, rad {row['line']})"
            for row in rows.to_dict("records")
        ]
        print(f"  ärende {rows['case_id'].iat[0]}: {'; '.join(said)}")
    _print_rest(len(by_case))


def _print_rest(n: int) -> None:
    if n > _SHOWN:
        print(f"  … och {n - _SHOWN} till")
