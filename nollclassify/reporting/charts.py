"""The picture of a breakdown, as SVG that stands in the page itself."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pandas as pd

# Okabe and Ito (2008): colours that the colour-blind can tell apart; greys for other and for what is too few.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
GREYS = ("#BBBBBB", "#E8E8E8")


def cause_bars(counts: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Stacked bars of cases by primary cause, one bar a product, from zero; SVG text.

    Args:
        counts: one row a product (index: its name), one column a cause id; whole numbers.
        names: cause id -> name for the legend; the last two, other and too few, are grey.
    """
    import matplotlib

    matplotlib.use("svg")
    from matplotlib.figure import Figure

    with matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "nollclassify", "text.parse_math": False, "font.family": "sans-serif"}
    ):
        figure = Figure(figsize=(9, 1.6 + 0.5 * len(counts)), layout="constrained")
        axes = figure.subplots()
        left = pd.Series(0, index=counts.index)
        for position, (cause, name) in enumerate(names.items()):
            grey = position - (len(names) - len(GREYS))
            colour = GREYS[grey] if grey >= 0 else PALETTE[position % len(PALETTE)]
            axes.barh(counts.index, counts[cause], left=left, color=colour, label=name, height=0.65, edgecolor="white")
            left = left + counts[cause]
        for row, total in enumerate(left):
            axes.text(total + max(left) * 0.01, row, str(int(total)), va="center", fontsize=10)
        _dress(axes)
        figure.legend(loc="outside lower left", ncols=3, frameon=False)
        return _svg(figure)


def _dress(axes: object) -> None:
    axes.invert_yaxis()  # type: ignore[attr-defined]
    axes.set_xlabel("klagomål efter huvudorsak")  # type: ignore[attr-defined]
    axes.spines[["top", "right", "left"]].set_visible(False)  # type: ignore[attr-defined]
    axes.tick_params(axis="y", length=0)  # type: ignore[attr-defined]
    axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[attr-defined]


def _svg(figure: object) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})  # type: ignore[attr-defined]
    text = buffer.getvalue()
    return text[text.index("<svg") :]
