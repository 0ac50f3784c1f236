"""Public CI runs what a machine of ours runs, on every Python that the project allows."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml
from project_tree import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_every_workflow_is_one_by_githubs_own_schema() -> None:
    assert WORKFLOWS
    assert validated(*WORKFLOWS) == (0, "ok -- validation done\n")


def test_the_schema_would_find_a_fault(tmp_path: Path) -> None:
    faulty = tmp_path / "tests.yml"
    faulty.write_text(WORKFLOWS[0].read_text(encoding="utf-8").replace("runs-on:", "run-on:"), encoding="utf-8")
    status, said = validated(faulty)
    assert status == 1
    assert "'runs-on' is a required property" in said


def test_every_python_that_the_project_allows_is_tested_by_the_script_that_any_machine_runs() -> None:
    job = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))["jobs"]["tests"]
    tested = job["strategy"]["matrix"]["python"]
    assert tested == ["3.11", "3.12", "3.13"]
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    assert [line for line in PROJECT["classifiers"] if "Python :: 3." in line] == [
        f"Programming Language :: Python :: {version}" for version in tested
    ]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_what_runs_before_a_commit_is_what_make_check_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    commands = {" ".join(hook["entry"].removesuffix(" --force-exclude").split()) for hook in hooks}
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ncheck:")[2].partition("\n\n")[0]
    checks = {line.strip().removeprefix("@$(VENV)").removesuffix(" .") for line in recipe.splitlines()[1:]}
    assert {command.removeprefix(".venv") for command in commands} == checks
    assert all(hook["language"] == "system" for hook in hooks)


def validated(*files: Path) -> tuple[int, str]:
    """Exit status and words of check-jsonschema, which carries the schema of GitHub's workflows."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr
