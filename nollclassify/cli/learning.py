"""Commands on what people decided: learn, agreement."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nollclassify.cli.shared import EXIT_REJECTED, Taxonomy, app, settings_for, spanned, steps

if TYPE_CHECKING:
    import pandas as pd

    from nollclassify.double_coding import Agreement
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
    if result.n_settled:
        print(f"{result.n_settled} avgjorda klagomål finns nu att träna på; kör `nollclassify train`.")
    else:
        print("Inget är avgjort än, så det finns inget att träna på: välj huvudorsak i boken och läs in den igen.")
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
        if row["nameless"]:
            have = "svar saknar namn i granskat av och räknas som"
            print(f"  {row['nameless']} {have} {Path(row['book']).stem}.")
        if row["replaced"]:
            told = "svar utan namn är ersatt" if row["replaced"] == 1 else "svar utan namn är ersatta"
            print(f"  {row['replaced']} tidigare {told} av det som nu har namn.")
        if row["overtaken"]:
            _print_overtaken(row["overtaken"])
        if row["unnamed"]:
            print("  Ändrade svar räknas som samma persons. Har en annan fyllt i boken: ange --reviewer NAMN.")


def _print_overtaken(lines: tuple[int, ...]) -> None:
    told = "svar i boken gäller inte längre: det" if len(lines) == 1 else "svar i boken gäller inte längre: de"
    more = f" och {len(lines) - _SHOWN} till" if len(lines) > _SHOWN else ""
    print(
        f"  {len(lines)} {told} togs tillbaka eller ändrades efter att boken lästes in "
        f"(rad {', '.join(map(str, lines[:_SHOWN]))}{more}).\n"
        "  Ska svaret gälla: skriv något nytt i kommentar på raden, spara boken och läs in den igen."
    )


def _print_problems(result: Learned) -> None:
    problems = result.problems
    if problems.empty:
        return
    print(f"Att rätta ({len(problems)}); allt annat är inläst. Rätta i boken och läs in den igen:")
    # A column that was sorted by itself is one fault, not one a row.
    alike = list(problems.groupby(["book", "column", "reason"], sort=False))
    for (book, column, reason), rows in alike[:_SHOWN]:
        lines = [str(line) for line in rows["line"] if line]
        more = f" och {len(lines) - _SHOWN} till" if len(lines) > _SHOWN else ""
        where = f", rad {', '.join(lines[:_SHOWN])}{more}, kolumn {column}" if lines else ""
        print(f"  {book}{where}: {reason}")
    _print_rest(len(alike))
    if result.problem_files:
        print(f"  Samma lista: {', '.join(map(str, result.problem_files))}")


def _print_conflicts(conflicts: pd.DataFrame, names_sv: Callable[[str], str]) -> None:
    if conflicts.empty:
        return
    by_case = list(conflicts.groupby("key", sort=False))
    print(f"Granskarna är oense, och tills de är överens tränas inget av detta in (antal ärenden: {len(by_case)}):")
    for _, rows in by_case[:_SHOWN]:
        said = [
            f"{row['reviewer']}: {names_sv(row['causes'])} ({row['file']}, rad {row['line']})"
            for row in rows.to_dict("records")
        ]
        print(f"  ärende {rows['case_id'].iat[0]} – {'; '.join(said)}")
    _print_rest(len(by_case))
    print("  Kom överens, ändra svaret i den ena boken och läs in den igen.")


def _print_rest(n: int) -> None:
    if n > _SHOWN:
        print(f"  … och {n - _SHOWN} till")


@app.command(epilog="Exempel: nollclassify agreement -o samsyn.xlsx")
def agreement(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FIL", help="Excelbok med tabellerna, och ärendena bakom dem."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Ersätt en bok som redan finns.")] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Frö för intervallen.")] = 0,
    taxonomy: Taxonomy = "",
) -> None:
    """Visa hur eniga granskarna är, orsak för orsak, och vilka orsaker som förväxlas: underlag för kodboken."""
    with steps() as progress:
        progress("jämför granskarnas svar")
        from nollclassify.double_coding import agreement as run

        result = run(output, force=force, seed=seed, settings=settings_for(taxonomy))
    print(f"{result.n} ärenden har fått svar av minst två, av {result.n_people} granskare i allt.")
    _print_figures(result)
    _print_pairs(result)
    if result.output:
        print(f"Ärendena bakom varje par: {result.output}")
    elif len(result.pairs):
        print("Ärendena bakom varje par: kör igen med `-o samsyn.xlsx`.")


def _print_figures(result: Agreement) -> None:
    from nollclassify.double_coding import ENOUGH

    if result.figures.empty:
        print(f"För få för en siffra: minst {ENOUGH} behövs. Låt två personer fylla i var sin kopia av samma bok.")
        return
    from rich.console import Console
    from rich.table import Table

    title = "Lika svar (andel) och Krippendorffs alfa (1 = alltid eniga, 0 = som slumpen), 95 % intervall"
    table = Table(title=title, title_justify="left")
    for name in ("", "Valt i", "Lika svar", "Alfa"):
        table.add_column(name, justify="right" if name else "left")
    for row in result.figures.to_dict("records"):
        agreed = spanned(row["agreement"], row["low"], row["high"])
        alpha = spanned(row["alpha"], row["alpha_low"], row["alpha_high"])
        table.add_row(row["what"], str(row["n_chosen"]), agreed, alpha)
    Console(width=None if sys.stdout.isatty() else 110, highlight=False).print(table)
    print("Alla såg modellens förslag när de svarade; utan det hade de troligen varit mindre eniga.")


def _print_pairs(result: Agreement) -> None:
    if not len(result.pairs):
        return
    print("Det som förväxlas, antal ärenden:")
    for row in result.pairs.head(_SHOWN).to_dict("records"):
        print(f"  {row['n']:>4}  {row['one']} {row['how']} {row['other']}")
    _print_rest(len(result.pairs))
