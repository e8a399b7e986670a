"""nollclassify reads Swedish customer complaints and says why the customer is dissatisfied.

The verbs of the command line are functions here, with the same names and the same results. They are looked up when
first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nollclassify.auditing import audit
    from nollclassify.demonstration import demo
    from nollclassify.double_coding import agreement
    from nollclassify.drift_page import drift
    from nollclassify.labelling import label
    from nollclassify.learning import learn
    from nollclassify.promotion import differences, promote, rollback
    from nollclassify.relabelling import relabel
    from nollclassify.reporting import report
    from nollclassify.reviewing import review
    from nollclassify.scoring import evaluate
    from nollclassify.taxonomy import load_taxonomy as causes
    from nollclassify.training import train

__all__ = [
    "agreement",
    "audit",
    "causes",
    "demo",
    "differences",
    "drift",
    "evaluate",
    "label",
    "learn",
    "promote",
    "relabel",
    "report",
    "review",
    "rollback",
    "train",
]

_HOMES = {
    "agreement": ("nollclassify.double_coding", "agreement"),
    "audit": ("nollclassify.auditing", "audit"),
    "causes": ("nollclassify.taxonomy", "load_taxonomy"),
    "demo": ("nollclassify.demonstration", "demo"),
    "differences": ("nollclassify.promotion", "differences"),
    "drift": ("nollclassify.drift_page", "drift"),
    "evaluate": ("nollclassify.scoring", "evaluate"),
    "label": ("nollclassify.labelling", "label"),
    "learn": ("nollclassify.learning", "learn"),
    "promote": ("nollclassify.promotion", "promote"),
    "relabel": ("nollclassify.relabelling", "relabel"),
    "report": ("nollclassify.reporting", "report"),
    "review": ("nollclassify.reviewing", "review"),
    "rollback": ("nollclassify.promotion", "rollback"),
    "train": ("nollclassify.training", "train"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'nollclassify' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
