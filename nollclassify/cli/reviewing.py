"""Commands on what people say of the labels: review."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nollclassify.cli.shared import Model, Taxonomy, app, model_directory, settings_for, steps


@app.command(epilog="Exempel: nollclassify review mars.labelled.xlsx -o granska-mars.xlsx --n 60")
def review(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FIL", help="Excelbok att fylla i.")],
    labelled: Annotated[
        list[Path] | None, typer.Argument(metavar="MÄRKT...", help="Filer som `label` har skrivit.")
    ] = None,
    n: Annotated[int, typer.Option("--n", metavar="N", help="Hur många klagomål som ska granskas.")] = 60,
    training: Annotated[
        bool,
        typer.Option("--training", help="Misstänkt fel etikett bland träningstexterna och i filer som tränats på."),
    ] = False,
    like: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT", help="De mest lika: en orsaks namn, en fil med exempel eller egna ord. Flera går bra."
        ),
    ] = None,
    model: Model = "",
    month: Annotated[str | None, typer.Option(metavar="ÅÅÅÅ-MM", help="Månad. [förval: alla i filerna]")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Frö för lottningen.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Ersätt en bok som redan finns.")] = False,
    taxonomy: Taxonomy = "",
) -> None:
    """Välj ut de klagomål som mest behöver en människas ögon, till en Excelbok där orsaken väljs ur en lista."""
    if training or like:
        _asked_for(labelled or [], output, n, training, like or [], model, force, taxonomy)
        return
    with steps() as progress:
        progress("väljer klagomål")
        from nollclassify.reviewing import review as run

        result = run(
            *(labelled or []), n=n, output=output, month=month, seed=seed, force=force, settings=settings_for(taxonomy)
        )
    print(f"{result.n} av {result.n_cases} klagomål att granska: {result.output}")
    by_chance = result.n - result.n_useful
    print(f"{result.n_useful} av dem lär modellen mest (skälet står på raden), {by_chance} är dragna på måfå.")
    if result.n_rejected:
        print(f"Obs! {result.n_rejected} rader i filerna kunde inte läsas och är inte med.")
    print("Välj huvudorsak ur listan (Övrigt där ingen passar), gärna med ditt namn sist på raden, och ge sedan boken")
    print(f"till `nollclassify learn {result.output}`. Rader utan huvudorsak hoppas över.")


def _asked_for(
    files: list[Path], output: Path, n: int, training: bool, like: list[str], model: str, force: bool, taxonomy: str
) -> None:
    if training and like:
        raise typer.BadParameter("--training och --like går inte ihop; välj en av dem.")
    with steps() as progress:
        progress("letar")
        from nollclassify.model_store import load_model
        from nollclassify.queues import review_similar, review_training

        settings = settings_for(taxonomy)
        stored = load_model(model_directory(model, settings))
        if training:
            result = review_training(*files, model=stored, output=output, n=n, force=force, settings=settings)
        else:
            result = review_similar(*files, like=like, model=stored, output=output, n=n, force=force, settings=settings)
    for note in result.notes:
        print(note)
    of = f"{result.n_cases} misstänkta etiketter" if training else f"{result.n_cases} klagomål"
    print(f"{result.n} av {of} att granska, de {'säkraste' if training else 'mest lika'} först: {result.output}")
    if like and result.n < min(n, result.n_cases):
        print("Fler som liknar det som söks finns inte i filerna.")
    print(f"Välj huvudorsak ur listan och ge sedan boken till `nollclassify learn {result.output}`.")
