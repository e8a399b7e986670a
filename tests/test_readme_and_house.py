"""The README does what it says, and the house keeps its rules."""

from __future__ import annotations

import os
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
import typer.main

from nollclassify.cli import app
from nollclassify.settings import Settings
from tests.conftest import BIN, run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (
    "train",
    "label",
    "evaluate",
    "promote",
    "rollback",
    "audit",
    "report",
    "causes",
    "demo",
    "relabel",
    "drift",
    "review",
    "learn",
    "agreement",
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.S)


# --- the README --------------------------------------------------------------------------------------------------


def test_every_command_of_the_readme_works_in_order(demonstration: Path) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith(".venv/bin/")]
    assert len(lines) == 15
    for line in lines:
        words = shlex.split(line.replace(".venv/bin/", ""))
        # A shell would do this.
        files = {w: sorted(str(p.relative_to(demonstration)) for p in demonstration.glob(w)) for w in words if "*" in w}
        done = run(*(name for w in words for name in files.get(w, [w])), cwd=demonstration)
        wanted = 3 if " label " in line else 0
        assert done.returncode == wanted, f"{line}\n{done.stdout}{done.stderr}"
    for name in (
        "mars.labelled.xlsx",
        "mars.rejected.xlsx",
        "rapport/klagomal-2020-03.html",
        "rapport/klagomal-2020-03-faktura.html",
        "granskning-mars.xlsx",
        "rapport-rattad/klagomal-2020-03.xlsx",
        "scores.json",
        "again.csv",
    ):
        assert (demonstration / name).stat().st_size > 0


def test_every_make_command_of_the_readme_is_a_target() -> None:
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", README, flags=re.M))
    assert {"demo", "test", "check", "benchmark", "notebooks", "lock"} <= named
    for target in named:
        # Without printing directories: the tests may themselves have been started by make.
        done = run("make", "--no-print-directory", "-n", target, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        if target == "demo":
            assert done.stdout.strip().splitlines()[-1].endswith("nollclassify demo")


def test_the_readme_names_each_module_once_in_the_order_that_is_checked() -> None:
    listed = README.partition("```\ncli ")[2].partition("```")[0]
    named = [name for line in f"cli {listed}".splitlines() for name in line[:40].split()]
    found = {path.stem for path in (ROOT / "nollclassify").glob("*") if path.suffix == ".py" or path.is_dir()}
    assert sorted(named) == sorted(found - {"__init__", "__pycache__", "data"})
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    layers = tools["importlinter"]["contracts"][0]["layers"]
    rank = {name.removeprefix("nollclassify."): n for n, layer in enumerate(layers) for name in layer.split(" | ")}
    assert [rank[name] for name in named] == sorted(rank[name] for name in named)


def test_the_python_of_the_readme_runs(demonstration: Path) -> None:
    (code,) = blocks("python")
    done = run(sys.executable, "-W", "error", "-c", code, cwd=demonstration)
    assert done.returncode == 0, done.stderr
    assert "needs_review" in done.stdout


def test_the_settings_of_the_readme_are_all_settings_with_their_defaults() -> None:
    (text,) = blocks("toml")
    assert Settings(**tomllib.loads(text)) == Settings()


def test_the_demonstration_says_where_everything_lies_and_what_comes_next(demonstration: Path) -> None:
    said = (demonstration / "output.txt").read_text(encoding="utf-8")
    named = re.findall(r"demo/[\w./-]+\.(?:xlsx|html|csv)", said)
    assert {Path(name).suffix for name in named} == {".xlsx", ".html", ".csv"}
    assert all((demonstration / name).is_file() for name in named)
    assert "är nu gällande modell (champion)" in said
    assert "3 rader avvisade" in said
    assert said.strip().splitlines()[-1].startswith("Nästa steg: ")


def test_every_command_and_option_is_in_the_readme_or_the_help() -> None:
    for command in COMMANDS:
        assert f"nollclassify {command}" in README or f"`{command}`" in README or f"make {command}" in README
        done = run("nollclassify", command, "--help", cwd=ROOT)
        for parameter in typer.main.get_command(app).commands[command].params:  # type: ignore[attr-defined]
            named = parameter.opts[0] if parameter.opts[0].startswith("-") else str(parameter.metavar)
            assert named in done.stdout, (command, named)


# --- the help ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_with_an_example_that_names_the_command(command: str) -> None:
    done = run("nollclassify", command, "--help", cwd=ROOT)
    assert done.returncode == 0
    last = " ".join(done.stdout.split("\n\n")[-1].split())
    assert last.startswith(f"Exempel: nollclassify {command}")


def test_help_takes_less_than_half_a_second_of_cpu() -> None:
    spent = []
    for _ in range(3):
        before = os.times()
        run("nollclassify", "label", "--help", cwd=ROOT)
        after = os.times()
        spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
    # The best of three: the machine may be busy with something else.
    assert min(spent) < 0.5


def test_help_loads_nothing_heavy() -> None:
    heavy = ("pandas", "numpy", "sklearn", "mlflow", "spacy")
    code = f"import sys, nollclassify.cli; print([m for m in {heavy} if m in sys.modules])"
    assert run(sys.executable, "-c", code, cwd=ROOT).stdout.strip() == "[]"


# --- the house ---------------------------------------------------------------------------------------------------


def test_no_module_is_longer_than_400_lines() -> None:
    modules = [*ROOT.glob("nollclassify/**/*.py"), *ROOT.glob("tests/**/*.py")]
    assert not [path.name for path in modules if len(path.read_text(encoding="utf-8").splitlines()) > 400]


def test_no_room_is_called_utils() -> None:
    named = {path.stem for path in ROOT.glob("nollclassify/**/*.py")}
    assert not named & {"utils", "util", "helpers", "common", "misc"}


def test_the_locks_name_no_registry_and_pin_every_package_with_hashes() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in text
        pinned = re.findall(r"^[\w.-]+==\S+.*\\$", text, flags=re.M)
        assert len(pinned) > 100
        assert len(re.findall(r"^[\w.-]+==", text, flags=re.M)) == len(pinned)


def test_the_parts_of_the_house_stand_where_they_should() -> None:
    wanted = {
        "nollclassify",
        "notebooks",
        "models",
        "tests",
        "pyproject.toml",
        "Makefile",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
    }
    assert wanted <= {path.name for path in ROOT.iterdir()}


def test_the_changelog_tells_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"## {version} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_commands_of_this_environment_are_used() -> None:
    assert (BIN / "nollclassify").exists()
