"""Command on cases whose cause was split: relabel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nollclassify.cli.shared import Taxonomy, app, settings_for, steps


@app.command(epilog="Exempel: nollclassify relabel februari.labelled.xlsx --n 100 --output dubbelmarkning.xlsx")
def relabel(
    labelled: Annotated[list[Path], typer.Argument(metavar="MÄRKT...", help="Märkta filer från tiden före delningen.")],
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, help="Hur många klagomål som ska märkas om.")] = 100,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FIL", help="Excelbok att fylla i.")] = Path(
        "dubbelmarkning.xlsx"
    ),
    seed: Annotated[int, typer.Option(metavar="N", help="Frö för lottningen.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Ersätt en bok som redan finns.")] = False,
    taxonomy: Taxonomy = "",
) -> None:
    """Lotta fram klagomål vars orsak har delats sedan de märktes, för att märkas om i de nya orsakerna."""
    with steps() as progress:
        progress("lottar")
        from nollclassify.relabelling import relabel as run

        result = run(*labelled, n=n, output=output, seed=seed, force=force, settings=settings_for(taxonomy))
    print(f"{result.n} av {result.n_cases} klagomål med en delad orsak att märka om: {result.output}")
    print("Skriv orsakerna av i dag i kolumnen orsaker efter (Övrigt där ingen passar) och ge sedan boken till")
    print(f"`nollclassify report ... --bridge {result.output}`, så räknas de äldre månaderna om.")
