"""The command drift."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nollclassify.cli.shared import Model, app, model_directory, settings_for, steps


@app.command(epilog="Exempel: nollclassify drift mars.labelled.xlsx februari.labelled.xlsx --output drift.html")
def drift(
    labelled: Annotated[
        list[Path],
        typer.Argument(metavar="MÄRKT...", help="Filer som `label` har skrivit; gärna tidigare månader också."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FIL", help="Webbsidan.")] = Path("drift.html"),
    audit: Annotated[
        list[Path] | None,
        typer.Option(metavar="FIL", help="Ifylld granskning från `audit`; flera går bra."),
    ] = None,
    month: Annotated[str | None, typer.Option(metavar="ÅÅÅÅ-MM", help="Månad. [förval: den senaste]")] = None,
    model: Model = "",
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="FIL", help="Skriv också siffrorna som JSON; - är skärmen.")
    ] = None,
) -> None:
    """Jämför månaden med det som modellen tränades på: träna om, eller behövs det inte? Svaret är en webbsida."""
    with steps() as progress:
        progress("jämför med träningstexterna")
        from nollclassify.drift_page import as_json, left_out, next_step, verdict
        from nollclassify.drift_page import drift as run

        settings, on_screen = settings_for(), str(json_path) == "-"
        found = run(
            *labelled,
            output=output,
            model=model_directory(model, settings),
            audits=audit or [],
            month=month,
            json_path=None if on_screen else json_path,
            settings=settings,
        )
    if on_screen:
        print(as_json(found), end="")
        return
    print(verdict(found))
    print(next_step(found))
    if told := left_out(found):
        print(told)
    print(f"Sida: {output}")
