"""Commands on incoming cases: label."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nollclassify.cli.shared import EXIT_REJECTED, Files, Model, app, model_directory, settings_for, steps
from nollclassify.errors import InputError

if TYPE_CHECKING:
    from nollclassify.labelling import Labelled
    from nollclassify.spark import LabelledBySpark


@app.command(epilog="Exempel: nollclassify label mars.xlsx --output mars.labelled.xlsx")
def label(
    files: Files,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FIL", help="Resultatfil, eller mapp för flera filer. [förval: NAMN.labelled.*]"
        ),
    ] = None,
    model: Model = "",
    force: Annotated[bool, typer.Option("--force", help="Ersätt en resultatfil som redan finns.")] = False,
    precision: Annotated[
        float | None,
        typer.Option(metavar="TAL", help="0.80 till 0.99: märk bara det som är rätt så ofta; resten till granskning."),
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Fortsätt där samma märkning avbröts [förval], eller börja om.", show_default=False)
    ] = True,
    engine: Annotated[
        Literal["local", "spark"],
        typer.Option(help="Här (local), eller Parquet till en mapp, på många maskiner (spark).", show_default=False),
    ] = "local",
) -> None:
    """Märk klagomål med orsaker. Varje rad hamnar i den märkta filen eller, med skäl, i den avvisade."""
    from rich.progress import Progress

    from nollclassify.labelling import label as run

    settings = settings_for()
    directory = model_directory(model, settings)
    if engine == "spark":
        _label_with_spark(files, output=output, model=directory, force=force, precision=precision, settings=settings)
        return
    with Progress(transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("märker", total=None)
        results = run(
            *files,
            output=output,
            model=directory,
            force=force,
            precision=precision,
            settings=settings,
            progress=lambda done, of: bar.update(task, completed=done, total=of or None),
            resume=resume,
        )
    for result in results:
        print_labelled(result)
    if any(result.rejected_output for result in results):
        raise typer.Exit(EXIT_REJECTED)


def _label_with_spark(files: list[str], **options: Any) -> None:
    from nollclassify.spark import label_with_spark as run

    if len(files) > 1:
        raise InputError(f"--engine spark: {len(files)} filer angavs; ange en Parquet-fil, eller mappen med alla.")
    with steps() as progress:
        progress("märker med Spark")
        result = run(files[0], **options)
    print_labelled(result)
    if result.rejected_output:
        raise typer.Exit(EXIT_REJECTED)


def print_labelled(result: Labelled | LabelledBySpark) -> None:
    print(f"{result.n} klagomål märkta, varav {result.n_review} bör granskas: {result.output}")
    if result.rejected_output:
        print(f"{result.n_rejected} rader avvisade, med skäl: {result.rejected_output}")
