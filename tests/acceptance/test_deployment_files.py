"""The files that deploy a cluster agree with the code: their commands, settings, ports and folders exist."""

import re
from typing import Any

import pytest
import yaml
from project_tree import ROOT
from typer.main import get_command

from hearken.cli.main import app
from models.settings import Settings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
OURS = ("migrate", "api", "worker", "beat")


@pytest.mark.parametrize("name", OURS)
def test_each_part_of_a_cluster_runs_a_command_that_exists(name: str) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert COMPOSE["services"][name]["command"][0] in commands


@pytest.mark.parametrize("name", OURS)
def test_each_part_is_given_only_settings_that_exist(name: str) -> None:
    known = {f"HEARKEN_{field.upper()}" for field in Settings.model_fields}
    assert set(COMPOSE["services"][name]["environment"]) <= known


@pytest.mark.parametrize("name", ["api", "worker", "beat"])
def test_no_part_starts_before_the_database_has_its_tables(name: str) -> None:
    assert COMPOSE["services"][name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_a_deployment_asks_for_keys_and_for_a_password_of_its_own() -> None:
    for name in OURS:
        environment = COMPOSE["services"][name]["environment"]
        assert environment["HEARKEN_AUTH"] == "keys"
        assert "${POSTGRES_PASSWORD:?" in environment["HEARKEN_DATABASE_URL"]


def test_every_volume_that_is_mounted_is_declared() -> None:
    mounted = {mount.split(":")[0] for service in COMPOSE["services"].values() for mount in service.get("volumes", ())}
    assert mounted == set(COMPOSE["volumes"])


def test_the_image_takes_every_package_and_runs_as_nobody_of_importance() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copies = re.findall(r"^COPY (?!--from=)(.+)$", dockerfile, re.M)
    copied = {source for line in copies for source in line.split()[:-1]}
    assert {"attention", "models", "migrations", "report", "workers", "service", "hearken", "samples"} <= copied
    assert all((ROOT / source).exists() for source in copied)
    assert re.search(r"^USER hearken$", dockerfile, re.M)
