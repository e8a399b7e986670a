"""Commands that show what there is: causes, demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nollclassify.cli.labelling import print_labelled
from nollclassify.cli.models import print_training
from nollclassify.cli.months import print_breakdown
from nollclassify.cli.shared import Taxonomy, app, settings_for, steps


@app.command(epilog="Exempel: nollclassify causes")
def causes(taxonomy: Taxonomy = "") -> None:
    """Visa orsakerna: vad de betyder, vad som inte hör dit, och exempel."""
    from nollclassify.taxonomy import load_taxonomy

    settings = settings_for(taxonomy)
    loaded = load_taxonomy(Path(settings.taxonomy) if settings.taxonomy else None)
    print(f"Taxonomi {loaded.version}\n")
    for cause in loaded.causes:
        print(f"{cause.name_sv} ({cause.id}; {cause.name_en})\n  {cause.definition_sv}\n  {cause.definition_en}")
        for title, lines in (("Hit hör", cause.belongs), ("Inte hit", cause.excludes)):
            print("".join(f"  {title}: {line}\n" for line in lines), end="")
        print("".join(f"  + ”{line}”\n" for line in cause.examples), end="")
        print("".join(f"  - ”{line}”\n" for line in cause.counter_examples))
    print("Övrigt (other)\n  Ingen av orsakerna passar: cellen för orsaker är tom.")


@app.command(epilog="Exempel: nollclassify demo --folder demo")
def demo(
    folder: Annotated[Path, typer.Option(metavar="MAPP", help="Var exempelfiler och resultat läggs.")] = Path("demo"),
) -> None:
    """Visa hela arbetet på medföljande texter: träna, befordra, märk en månad, sammanställ."""
    with steps() as progress:
        progress("läser in bibliotek och texter")
        from nollclassify.demonstration import demo as run

        result = run(folder, settings_for(), progress)
    print_training(result.training)
    print()
    for labelled in result.labelled:
        print_labelled(labelled)
    print_breakdown(result.breakdown)
    print(f"\nNästa steg: öppna {result.breakdown.page} i webbläsaren, eller märk en egen fil: nollclassify label FIL")
