"""Commands on what people say of the labels: review."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nollclassify.cli.shared import Taxonomy, app, settings_for, steps


@app.command(epilog="Exempel: nollclassify review mars.labelled.xlsx -o granska-mars.xlsx --n 60")
def review(
    labelled: Annotated[list[Path], typer.Argument(metavar="MÄRKT...", help="Filer som `label` har skrivit.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FIL", help="Excelbok att fylla i.")],
    n: Annotated[int, typer.Option("--n", metavar="N", help="Hur många klagomål som ska granskas.")] = 60,
    month: Annotated[str | None, typer.Option(metavar="ÅÅÅÅ-MM", help="Månad. [förval: alla i filerna]")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Frö för lottningen.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Ersätt en bok som redan finns.")] = False,
    taxonomy: Taxonomy = "",
) -> None:
    """Välj ut de klagomål som mest behöver en människas ögon, till en Excelbok där orsaken väljs ur en lista."""
    with steps() as progress:
        progress("väljer klagomål")
        from nollclassify.reviewing import review as run

        result = run(
            *labelled, n=n, output=output, month=month, seed=seed, force=force, settings=settings_for(taxonomy)
        )
    print(f"{result.n} av {result.n_cases} klagomål att granska: {result.output}")
    by_chance = result.n - result.n_useful
    print(f"{result.n_useful} av dem lär modellen mest (skälet står på raden), {by_chance} är dragna på måfå.")
    if result.n_rejected:
        print(f"Obs! {result.n_rejected} rader i filerna kunde inte läsas och är inte med.")
    print("Välj huvudorsak ur listan (Övrigt där ingen passar), gärna med ditt namn sist på raden, och ge sedan boken")
    print(f"till `nollclassify learn {result.output}`. Rader utan huvudorsak hoppas över.")
