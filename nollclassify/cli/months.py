"""Commands on labelled months: audit, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nollclassify.cli.shared import Taxonomy, app, settings_for, steps

if TYPE_CHECKING:
    from nollclassify.reporting import Breakdown


@app.command(epilog="Exempel: nollclassify audit mars.labelled.xlsx --n 60")
def audit(
    labelled: Annotated[list[Path], typer.Argument(metavar="MÄRKT...", help="Filer som `label` har skrivit.")],
    n: Annotated[int, typer.Option("--n", metavar="N", help="Hur många klagomål som ska granskas, minst 20.")] = 40,
    month: Annotated[str | None, typer.Option(metavar="ÅÅÅÅ-MM", help="Månad. [förval: den senaste]")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FIL", help="Excelbok att fylla i. [förval: granskning-MÅNAD.xlsx]"),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Frö för lottningen.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Ersätt en granskning som redan finns.")] = False,
    taxonomy: Taxonomy = "",
) -> None:
    """Lotta fram klagomål som en människa ska granska, så att månadens siffror kan rättas för modellens fel."""
    with steps() as progress:
        progress("lottar")
        from nollclassify.auditing import audit as run

        result = run(
            *labelled, n=n, month=month, output=output, seed=seed, force=force, settings=settings_for(taxonomy)
        )
    print(f"{result.n} av {result.n_cases} klagomål i {result.month} att granska: {result.output}")
    print("Välj huvudorsak ur listan för varje klagomål (Övrigt där ingen passar) och ge sedan boken till")
    print(f"`nollclassify report ... --audit {result.output}`. Flera granskade ger smalare intervall.")


@app.command(epilog="Exempel: nollclassify report mars.labelled.xlsx --output rapport --purchases kop.csv")
def report(
    labelled: Annotated[
        list[Path],
        typer.Argument(metavar="MÄRKT...", help="Filer som `label` har skrivit; gärna tidigare månader också."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MAPP", help="Var sammanställningen läggs.")],
    purchases: Annotated[
        Path | None,
        typer.Option(metavar="FIL", help="Köp (och mål) per månad och produkt, för tal per miljon köp."),
    ] = None,
    audit: Annotated[
        list[Path] | None,
        typer.Option(metavar="FIL", help="Ifylld granskning från `audit`; en per månad, flera går bra."),
    ] = None,
    measures: Annotated[
        Path | None, typer.Option(metavar="FIL", help="Åtgärder (datum, produkt, orsak, åtgärd, ansvarig).")
    ] = None,
    bridge: Annotated[
        Path | None,
        typer.Option(
            metavar="FIL", help="Klagomål märkta före och efter en delad orsak: ärende, orsaker före, orsaker efter."
        ),
    ] = None,
    month: Annotated[str | None, typer.Option(metavar="ÅÅÅÅ-MM", help="Månad. [förval: den senaste]")] = None,
    language: Annotated[str, typer.Option(metavar="SPRÅK", help="sv eller en.")] = "sv",
    taxonomy: Taxonomy = "",
) -> None:
    """Sammanställ märkta klagomål: en webbsida per produkt och en för alla, en Excelbok och en CSV-fil."""
    with steps() as progress:
        progress("sammanställer")
        from nollclassify.reporting import report as run

        result = run(
            *labelled,
            output=output,
            purchases=purchases,
            audits=audit or [],
            measures=measures,
            bridge=bridge,
            month=month,
            language=language,
            settings=settings_for(taxonomy),
        )
    print_breakdown(result)


def print_breakdown(result: Breakdown) -> None:
    print("\n".join(result.summary))
    print(f"Sida: {result.page} och {len(result.pages) - 1} till, en per produkt")
    print(f"Excel: {result.workbook}\nCSV: {result.csv}")
    if result.n_rejected:
        print(f"Obs! {result.n_rejected} rader i filerna kunde inte läsas och är inte med.")
