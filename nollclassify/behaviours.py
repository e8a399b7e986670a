"""The behaviour suite: what a model must do in single cases, whatever its average is.

After CheckList (Ribeiro et al., Beyond Accuracy, 2020). A group passes when every text in it gets exactly its causes:

- `pair`: two texts a word or two apart with different causes,
- `denied`: a cause is named but denied, solved, praised or quoted,
- `variants`: one complaint rewritten, misspelt, without å ä ö, in capitals, in dialect,
- `short`: at most six words.

The texts are by other hands than the training texts, and no model is trained on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import pandas as pd

from nollclassify.estimation import wilson
from nollclassify.evaluation import indicator
from nollclassify.model import CauseModel

KINDS_SV = {
    "pair": "minimala par, båda rätt",
    "denied": "orsak som förnekas eller citeras",
    "variants": "samma klagomål i varianter",
    "short": "högst sex ord",
}


def load_suite() -> pd.DataFrame:
    """One row a text: `group`, `kind`, `name` (what is tested), `causes` (ids joined by `;`), `text`."""
    with (files("nollclassify") / "data" / "behaviour_suite.jsonl").open(encoding="utf-8") as lines:
        suite = pd.read_json(lines, lines=True, dtype=False)
    return suite.assign(causes=suite["causes"].replace("other", ""))


def behave(model: CauseModel) -> dict[str, bool]:
    """Whether each group passes, by its name; groups with a cause that the model does not know are left out."""
    suite = load_suite()
    wanted = suite["causes"].map(lambda causes: set(filter(None, causes.split(";"))))
    known_ids = sorted(set().union(*wanted) & set(model.cause_ids))
    known = wanted.map(lambda causes: causes <= set(known_ids)).groupby(suite["group"]).transform("all")
    suite = suite[known]
    columns = [model.cause_ids.index(cause) for cause in known_ids]
    decided = model.decide(model.probabilities(suite["text"].tolist()))[:, columns]
    right = (decided == indicator(suite["causes"].tolist(), known_ids)).all(axis=1)
    return {str(name): bool(ok) for name, ok in pd.Series(right, suite.index).groupby(suite["group"]).all().items()}


def kind_of(group: str) -> str:
    """The kind of a group, by its name."""
    return group.rsplit("-", 1)[0]


def by_kind(passed: Mapping[str, bool]) -> pd.DataFrame:
    """One row a kind: `kind`, `n` (groups), `share` that pass with `low` and `high` (Wilson, 95 %)."""
    rows = []
    for kind in KINDS_SV:
        results = [ok for group, ok in passed.items() if kind_of(group) == kind]
        if results:
            interval = wilson(sum(results), len(results))
            rows.append(
                {
                    "kind": kind,
                    "n": len(results),
                    "share": interval.estimate,
                    "low": interval.low,
                    "high": interval.high,
                }
            )
    return pd.DataFrame(rows, columns=["kind", "n", "share", "low", "high"])
