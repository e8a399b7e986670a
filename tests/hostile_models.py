"""Ways to spoil a model directory, each with a name, and a program that tries to load every one of them.

`python -m tests.hostile_models GOOD WORK` copies the directory GOOD into WORK once for each way, spoils the copy and
loads it, all in one process whose memory is limited. It prints one line of JSON for each: its name, the error's class
and message, and the CPU seconds that loading took.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import resource
import shutil
import struct
import sys
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nollclassify.model_store import load_model
from tests.spoiling import (
    FILES,
    HELD_OUT,
    MANIFEST,
    NAMES,
    NPZ,
    SENTINEL,
    TAXONOMY,
    Payload,
    Spoil,
    arrays,
    at,
    content,
    extra,
    headed,
    header,
    instead,
    link_outside,
    member,
    members,
    naming,
    patched,
    seal,
    setting,
    telling,
    text,
    vocabulary,
    zipped,
)

MEMORY = 4_000_000_000

OBJECTS = np.array([Payload(), Payload()], dtype=object)
HUGE = "(100000000000,)"
PLAIN = "{'descr': '<f8', 'fortran_order': False, 'shape': "
PICKLES: dict[str, Spoil] = {
    "objects among the arrays": setting("intercepts", lambda a: OBJECTS),
    "objects in held_out": setting("group", lambda a: OBJECTS, HELD_OUT),
    "an extra array of objects": partial(arrays, lambda a: a.update(other=OBJECTS), NPZ),
    "a pickle as the archive": partial(content, NPZ, lambda _: pickle.dumps(Payload())),
    "a pickle as the held-out archive": partial(content, HELD_OUT, lambda _: pickle.dumps(Payload())),
    "a pickle as a member": member("intercepts", lambda _: pickle.dumps(Payload())),
    "an extra member that is a pickle": partial(extra, "data.pkl", pickle.dumps(Payload())),
    "a structure of objects": setting("intercepts", lambda a: np.array([(Payload(),)], dtype=[("a", "O")])),
    "a pickle as the vocabulary": partial(content, NAMES, lambda _: pickle.dumps(Payload())),
    "a pickle as the taxonomy": partial(content, TAXONOMY, lambda _: pickle.dumps(Payload())),
    "a pickle behind a true header": header("'|O'", "(2,)", data=pickle.dumps(OBJECTS)),
}
HEADERS: dict[str, Spoil] = {
    "a header of 100 GB": header("'<f8'", HUGE),
    "a header of 100 GB in held_out": member(
        "group", lambda _: headed(f"{{'descr': '<i8', 'fortran_order': False, 'shape': {HUGE}, }}"), HELD_OUT
    ),
    "a header of no bytes, 100 billion times": header("'<U0'", HUGE),
    "a header of nothing times much": header("'<f8'", "(0, 100000000000)", data=b""),
    "a negative shape": header("'<f8'", "(-1,)"),
    "a shape that overflows": header("'<f8'", f"({2**62}, {2**62})"),
    "a shape of text": header("'<f8'", "'many'"),
    "a shape of a thousand dimensions": header("'<f8'", f"({'1, ' * 1_000})", data=bytes(8)),
    "a shape that is true": header("'<f8'", "(True,)", data=bytes(8)),
    "a shape of 5,000 digits": header("'<f8'", f"({'9' * 5_000},)"),
    "an order that is neither": header("'<f8'", "(5,)", order="2", data=bytes(40)),
    "another kind of number": setting("coefficients", lambda a: a.astype(int)),
    "text for numbers": setting("coefficients", lambda a: a.astype("U5")),
    "complex numbers": setting("intercepts", lambda a: a.astype(complex)),
    "a structured array": setting("intercepts", lambda a: a.view([("a", "<f4"), ("b", "<f4")])),
    "dates": setting("intercepts", lambda a: a.view("M8[s]")),
    "raw bytes": setting("intercepts", lambda a: a.view("V8")),
    "a type of a subarray of 100 GB": header("('<f8', (100000, 1000000))", "(1,)"),
    "an unknown type": header("'<f7'", "(5,)"),
    "an expression in the header": header("'<f8'", f"(open('{SENTINEL}', 'w'),)"),
    "an import in the header": member("intercepts", lambda _: headed(f"__import__('os').system('touch {SENTINEL}')")),
    "a header of brackets": member("intercepts", lambda _: headed("(" * 9_000)),
    "a header that ends in the middle": member("intercepts", lambda c: c[:40]),
    "a header longer than the file": member("intercepts", lambda c: c[:8] + b"\xff\xff" + c[10:]),
    "a header that is no text": member("intercepts", lambda c: c[:10] + b"\xff" * 118 + c[128:]),
    "a header of version 3": member("intercepts", lambda c: c[:6] + b"\x03\x00" + c[8:]),
    "a header of a gigabyte": member("intercepts", lambda _: b"\x93NUMPY\x02\x00\xff\xff\xff\x3f{"),
    "no magic": member("intercepts", lambda c: b"NOTNUMPY" + c[8:]),
    "bytes after an array": member("intercepts", lambda c: c + b"more"),
    "an array cut off": member("coefficients", lambda c: c[:-8]),
    "an empty member": member("coefficients", lambda _: b""),
}


def bomb(size: int, directory: Path) -> None:
    """Zeros, truly as many bytes as every header says."""
    parts = members(directory)
    parts["coefficients.npy"] = headed(f"{PLAIN}({size // 8},), }}", bytes(size))
    zipped(directory, list(parts.items()), method=zipfile.ZIP_DEFLATED)


CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"
ARCHIVES: dict[str, Spoil] = {
    "a bomb of 220 MB": partial(bomb, 220_000_000),
    "a bomb just below the limit": partial(bomb, 190_000_000),
    "a size of 4 GB in the directory": partial(patched, {CENTRAL: 24}, struct.pack("<I", 2**32 - 2)),
    "a size of nothing in the directory": partial(patched, {CENTRAL: 24}, bytes(4)),
    "10,000 members": lambda d: zipped(d, [*members(d).items(), *((f"{n}.npy", b"") for n in range(10_000))]),
    "a member that goes up": partial(extra, "../../escaped.npy", b""),
    "a member with an absolute path": partial(extra, "/tmp/escaped.npy", b""),
    "a member with a drive": partial(extra, "C:\\escaped.npy", b""),
    "an array under another path": lambda d: zipped(d, [(f"../{n}", c) for n, c in members(d).items()]),
    "an array twice": lambda d: doubled(d),
    "an encrypted archive": partial(patched, {CENTRAL: 8, LOCAL: 6}, b"\x01\x00"),
    "a compression of bzip2": lambda d: zipped(d, list(members(d).items()), method=zipfile.ZIP_BZIP2),
    "a compression of lzma": lambda d: zipped(d, list(members(d).items()), method=zipfile.ZIP_LZMA),
    "an unknown compression": partial(patched, {CENTRAL: 10, LOCAL: 8}, b"\x63\x00"),
    "deflated that is not": partial(patched, {CENTRAL: 10, LOCAL: 8}, b"\x00\x00"),
    "a wrong checksum": partial(patched, {CENTRAL: 16}, b"abcd"),
    "an array too few": partial(arrays, lambda a: a.pop("certain"), NPZ),
    "a held-out array too few": partial(arrays, lambda a: a.pop("digests"), HELD_OUT),
    "an array too many": partial(arrays, lambda a: a.update(more=np.zeros(3)), NPZ),
    "no arrays": lambda d: zipped(d, []),
    "a plain npy file": partial(content, NPZ, lambda _: headed("{'descr': '<f8', }")),
    "a gzip file": partial(content, NPZ, lambda _: b"\x1f\x8b" + bytes(100)),
    "both archives swapped": lambda d: swap(d),
}


def doubled(directory: Path) -> None:
    with zipfile.ZipFile(directory / NPZ, "a") as archive:
        archive.NameToInfo.clear()  # So that no warning is given.
        archive.writestr("thresholds.npy", pickle.dumps(Payload()))


def swap(directory: Path) -> None:
    one, other = directory / NPZ, directory / HELD_OUT
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


NAN, INF = math.nan, math.inf
VALUES: dict[str, Spoil] = {
    **{
        f"{name} that {what}": setting(name, lambda a, value=value: at(a, (0,) * a.ndim, value))  # type: ignore[misc]
        for name in ("thresholds", "strict_thresholds", "certain", "calibration", "coefficients", "idf", "familiar")
        for what, value in (("is not a number", NAN), ("is infinite", INF), ("is 1e200", 1e200), ("is -1e20", -1e20))
        if not (value in (1e200, -1e20) and name == "idf")
    },
    "a threshold of 1.5": setting("thresholds", lambda a: a * 0 + 1.5),
    "a threshold of -0.1": setting("thresholds", lambda a: a * 0 - 0.1),
    "a negative idf": setting("idf", lambda a: -a),
    "an idf of no length": setting("idf", lambda a: a[:0]),
    "an idf of two dimensions": setting("idf", lambda a: a[None]),
    "pairs out of order": setting("pairs", lambda a: a[::-1]),
    "pairs twice": setting("pairs", lambda a: at(a, 1, a[0])),
    "pairs of words that are not there": setting("pairs", lambda a: at(a, (-1, 1), 2**31 - 1)),
    "pairs with a negative word": setting("pairs", lambda a: at(a, (0, 0), -1)),
    "pairs as one number": setting("pairs", lambda a: np.array(3)),
    "trees with a feature out of range": setting("tree_features", lambda a: np.full((len(a), 3, 7), 30_000)),
    "trees with a negative feature": setting("tree_features", lambda a: np.full((len(a), 3, 7), -1)),
    "trees as one number": setting("tree_features", lambda a: np.array(3)),
    "leaves of other trees": setting("tree_leaves", lambda a: np.zeros((len(a), 99, 8))),
    "leaves that are not numbers": setting("tree_leaves", lambda a: np.full((len(a), 3, 8), NAN)),
    "a base too few": setting("tree_base", lambda a: a[1:]),
    "a norm of zero": setting("passage_norms", lambda a: a * 0),
    "n-grams of sizes backwards": setting("gram_sizes", lambda a: np.array([5, 2])),
    "n-grams of a billion": setting("gram_sizes", lambda a: np.array([1, 10**9])),
    "n-grams of no size": setting("gram_sizes", lambda a: np.array(2)),
    "another number of scores": setting("n_scores", lambda a: a + 1),
    "a truth value of 255": member("exclusive", lambda c: c[:-1] + b"\xff"),
    "familiar as a list": setting("familiar", lambda a: np.array([0.1])),
    "held-out labels of 7": setting("truth", lambda a: a * 0 + 7, HELD_OUT),
    "held-out labels that are not numbers": setting("decided", lambda a: a * NAN, HELD_OUT),
    "held-out digests as numbers": setting("digests", lambda a: np.full(len(a), 10**11), HELD_OUT),
    **{
        f"a held-out probability {what}": setting(
            "probabilities", lambda a, value=value: at(a, (-1, 0), value), HELD_OUT
        )  # type: ignore[misc]
        for what, value in (
            ("that is not a number", NAN),
            ("that is infinite", INF),
            ("above 1", 1.01),
            ("below 0", -0.01),
        )
    },
    "held-out probabilities as whole numbers": setting("probabilities", lambda a: (a > 0.5).astype(np.uint8), HELD_OUT),
    "held-out probabilities of fewer texts": setting("probabilities", lambda a: a[1:], HELD_OUT),
    "held-out probabilities of fewer causes": setting("probabilities", lambda a: a[:, 1:], HELD_OUT),
    "held-out probabilities turned round": setting("probabilities", lambda a: a.T, HELD_OUT),
    "no held-out probabilities": partial(arrays, lambda a: a.pop("probabilities"), HELD_OUT),
    "held-out texts too few": setting("truth", lambda a: a[1:], HELD_OUT),
    "behaviours without results": setting("passed", lambda a: a[:-1], HELD_OUT),
    "behaviours that are no characters": setting(
        "behaviours", lambda a: np.full(len(a), 0x7FFFFFFF, dtype="<u4").view("<U1"), HELD_OUT
    ),
}
WORDS: dict[str, Spoil] = {
    "a word twice": naming("words", lambda w: [w[1], *w[1:]]),
    "a piece twice": naming("grams", lambda w: [w[1], *w[1:]]),
    "a word too many": naming("words", lambda w: [*w, "merord"]),
    "a word too few": naming("words", lambda w: w[1:]),
    "a word that is a number": naming("words", lambda w: [1, *w[1:]]),
    "a word that is a list": naming("words", lambda w: [["a"], *w[1:]]),
    "a word that is null": naming("words", lambda w: [None, *w[1:]]),
    "half an emoji as a word": naming("words", lambda w: ["\ud83d", *w[1:]]),
    "an empty word": naming("words", lambda w: ["", *w[1:]]),
    "a word of 20 million letters": naming("words", lambda w: ["a" * 20_000_000, *w[1:]]),
    "words as one text": naming("words", "".join),
    "words as an object": naming("words", lambda w: dict.fromkeys(w)),
    "a vocabulary without words": partial(vocabulary, lambda n: {"grams": [], "word_classes": {}}),
    "a vocabulary that is a list": partial(vocabulary, lambda n: [1, 2]),
    "a vocabulary that is null": partial(content, NAMES, lambda _: b"null"),
    "a vocabulary of 100,000 brackets": partial(content, NAMES, lambda _: b"[" * 100_000),
    "a vocabulary of empty lists": partial(content, NAMES, lambda _: b"[" + b"[]," * 5_000_000 + b"[]]"),
    "a vocabulary of 40 MB": partial(content, NAMES, lambda c: c + b" " * 40_000_000),
    "a vocabulary with a number of 5,000 digits": partial(content, NAMES, lambda _: b"[" + b"1" * 5_000 + b"]"),
    "a vocabulary in Latin-1": partial(content, NAMES, lambda c: b'{"words": ["\xe5"]}'),
    "no classes of words": naming("word_classes", lambda c: {}),
    "a class that is a text": naming("word_classes", lambda c: dict.fromkeys(c, "faktur*")),
    "a class with a pattern of two words": naming("word_classes", lambda c: {key: ["två ord"] for key in c}),
    "a class with a star in the middle": naming("word_classes", lambda c: {key: ["a*b"] for key in c}),
    "a class too many": naming("word_classes", lambda c: c | {"mer": ["ord"]}),
    "100,000 classes": naming("word_classes", lambda c: {str(n): ["ord"] for n in range(100_000)}),
}
CAUSES: dict[str, Spoil] = {
    "a taxonomy without causes": partial(text, TAXONOMY, lambda t: 'version = "1"\n'),
    "a taxonomy with another cause": partial(text, TAXONOMY, lambda t: t.replace('id = "wait_time"', 'id = "queues"')),
    "a taxonomy with a path as id": partial(text, TAXONOMY, lambda t: t.replace('"wait_time"', '"../../etc"')),
    "a taxonomy of another version": partial(text, TAXONOMY, lambda t: t.replace("version = ", "version = 'x' #", 1)),
    "a taxonomy with a field of its own": partial(text, TAXONOMY, lambda t: t.replace("name_en", "run")),
    "a taxonomy with a terminal's commands": partial(
        text, TAXONOMY, lambda t: t.replace('name_en = "', 'name_en = "\\u001b[2J')
    ),
    "a taxonomy of 100,000 brackets": partial(text, TAXONOMY, lambda t: t + "a = " + "[" * 100_000),
    "a taxonomy with a key of 100,000 parts": partial(text, TAXONOMY, lambda t: t + ".".join("a" * 100_000) + " = 1"),
    "a taxonomy with a quoted key of many parts": partial(
        text, TAXONOMY, lambda t: t + "[" + " . ".join(['"x y"'] * 50_000) + "]"
    ),
    "a taxonomy of 3 MB": partial(text, TAXONOMY, lambda t: t + "#" * 3_000_000),
    "a taxonomy that is no text": partial(content, TAXONOMY, lambda _: b"\xff\xfe\x00\xd8"),
    "a taxonomy of zeros": partial(content, TAXONOMY, lambda c: bytes(len(c))),
}
TOLD: dict[str, Spoil] = {
    "a manifest that is a list": partial(content, MANIFEST, lambda _: b"[1]"),
    "a manifest of 100,000 brackets": partial(content, MANIFEST, lambda _: b"[" * 100_000),
    "a manifest of 2 MB": partial(content, MANIFEST, lambda c: c + b" " * 2_000_000),
    "a manifest that is a pickle": partial(content, MANIFEST, lambda _: pickle.dumps(Payload())),
    "a manifest in UTF-32": partial(content, MANIFEST, lambda c: c.decode().encode("utf-32")[:-1]),
    "a manifest with NaN": telling(seed=NAN),
    "a manifest with Infinity": telling(format=INF),
    "a manifest with a number of 5,000 digits": partial(
        text, MANIFEST, lambda t: t.replace('"format": 4', '"format": ' + "3" * 5_000)
    ),
    "another kind": telling(kind="pickle"),
    "no kind": telling(kind=...),
    "format 5": telling(format=5),
    "format 3": telling(format=3),
    "format minus one": telling(format=-1),
    "a format of text": telling(format="4"),
    "a format that is true": telling(format=True),
    "no format": telling(format=...),
    "no files": telling(files=...),
    "files as a list": telling(files=list(FILES[1:])),
    "files elsewhere": telling(files={"../outside.npz": "0", **dict.fromkeys(FILES[2:], "0")}),
    "a file too many": telling(files=dict.fromkeys([*FILES[1:], "run.py"], "0")),
    "digests that are numbers": telling(files=dict.fromkeys(FILES[1:], 1)),
    "digests that are null": telling(files=dict.fromkeys(FILES[1:])),
    "digests in lists": telling(files={key: [] for key in FILES[1:]}),
    "no causes": telling(cause_ids=[]),
    "causes of numbers": telling(cause_ids=[1, 2, 3, 4, 5]),
    "causes as a text": telling(cause_ids="wait_time"),
    "other causes": telling(cause_ids=["a", "b", "c", "d", "e"]),
    "causes missing": telling(cause_ids=...),
    "a version that is a number": telling(model_version=1),
    "a version that is a path": telling(model_version="../../etc/passwd"),
    "a version that is a formula": telling(model_version='=cmd|" /C calc"!A0'),
    "a version of two lines": telling(model_version="1\n2"),
    "a version of a megabyte": telling(model_version="1" * 900_000),
    "an empty version": telling(model_version=""),
    "no version": telling(model_version=...),
    "another taxonomy's version": telling(taxonomy_version="1999"),
    "a taxonomy's version in a list": telling(taxonomy_version=["2026.1"]),
}
PLACES: dict[str, Spoil] = {
    **{f"no {name}": lambda d, name=name: (d / name).unlink() for name in FILES},  # type: ignore[misc]
    **{f"a folder as {name}": partial(instead, name, Path.mkdir) for name in FILES},
    **{f"a pipe as {name}": partial(instead, name, os.mkfifo) for name in FILES},
    **{f"a link out as {name}": partial(link_outside, name) for name in FILES},
    **{f"an endless device as {name}": partial(instead, name, lambda p: p.symlink_to("/dev/zero")) for name in FILES},
    "a link in a circle": partial(instead, NPZ, lambda p: p.symlink_to(p)),
    "a link to nowhere": partial(instead, NPZ, lambda p: p.symlink_to("nowhere")),
    "a file of 10 GB": partial(instead, NPZ, lambda p: (p.touch(), os.truncate(p, 10**10))),
    "a manifest of 10 GB": partial(instead, MANIFEST, lambda p: (p.touch(), os.truncate(p, 10**10))),
}
CUTS: dict[str, Spoil] = {
    f"{name} cut off {where}": partial(content, name, cut)
    for name in FILES
    for where, cut in (
        ("at once", lambda c: b""),
        ("after a byte", lambda c: c[:1]),
        ("in the middle", lambda c: c[: len(c) // 2]),
        ("before the last bytes", lambda c: c[:-3]),
    )
}
CONTENTS = PICKLES | HEADERS | ARCHIVES | VALUES | WORDS | CAUSES
# What is only wrong by its digest: the rest of it is a valid model again once that is made right.
ONLY_BY_DIGEST = {f"{TAXONOMY} cut off before the last bytes"}


def attempt(directory: Path) -> dict[str, Any]:
    began = time.process_time()
    try:
        load_model(directory)
    except Exception as error:
        found = {"error": type(error).__name__, "message": str(error)}
    else:
        found = {"error": "", "message": "loaded"}
    return found | {"seconds": time.process_time() - began, "executed": Path(SENTINEL).exists()}


def attempts(good: Path, directory: Path) -> Iterator[dict[str, Any]]:
    """What loading gives after each way, and once more with the digests made right where the contents are spoilt."""
    for name, spoil in (TOLD | PLACES | CONTENTS | CUTS).items():
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(good, directory)
        spoil(directory)
        yield {"name": name, "sealed": False, **attempt(directory)}
        if name in CONTENTS or (name in CUTS and MANIFEST not in name and name not in ONLY_BY_DIGEST):
            seal(directory)
            yield {"name": name, "sealed": True, **attempt(directory)}


def main(good: Path, work: Path) -> None:
    os.chdir(work)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for found in attempts(good, work / "model"):
        print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
