"""The application as a whole: what it documents, how fast it starts, where it refuses to."""

import re
import subprocess
import sys
from typing import Any

import pytest
from project_tree import ROOT

from models.settings import Settings
from service.app import create_app
from service.auth.tenant import OpenToTheNetworkError, is_loopback
from service.http.problems import PROBLEM_TYPES

DOCS = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def described() -> Any:
    return create_app(Settings(_env_file=None)).openapi()  # type: ignore[call-arg]


def test_every_route_is_documented_and_every_documented_route_exists(described: Any) -> None:
    routes = {f"{method.upper()} {path}" for path, methods in described["paths"].items() for method in methods}
    documented = set(re.findall(r"^### `((?:GET|POST|PATCH|DELETE) \S+)`$", DOCS, re.MULTILINE))
    assert documented == routes


def test_every_problem_type_is_documented() -> None:
    assert [name for name in PROBLEM_TYPES if f"`{name}`" not in DOCS] == []


def test_every_route_describes_its_problems_as_problem_documents(described: Any) -> None:
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            failed = {status: answer for status, answer in route["responses"].items() if int(status) >= 400}
            assert failed or path in ("/healthz", "/metrics"), f"{method} {path}"
            for answer in failed.values():
                assert list(answer["content"]) == ["application/problem+json"]


def test_every_reference_of_the_openapi_document_leads_somewhere(described: Any) -> None:
    references = set(re.findall(r"#/components/schemas/(\w+)", repr(described)))
    assert references - described["components"]["schemas"].keys() == set()
    assert "HTTPValidationError" not in described["components"]["schemas"]


def test_every_route_says_in_words_what_it_does(described: Any) -> None:
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            assert route.get("description"), f"{method} {path}"


def test_the_service_starts_without_loading_the_science() -> None:
    script = (
        "import sys, service.app; service.app.create_app(); "
        "print(sorted({'torch', 'transformers', 'numpy', 'scipy', 'sklearn', 'plotly', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_without_keys_only_a_loopback_address_is_served(host: str) -> None:
    with pytest.raises(OpenToTheNetworkError, match="HEARKEN_AUTH=keys"):
        create_app(Settings(host=host))
    create_app(Settings(host=host, auth="keys"))


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("api.localhost", True),
        ("127.0.0.1.example.org", False),
        ("localhost.example.org", False),
        ("10.0.0.1", False),
    ],
)
def test_loopback_is_told_from_what_only_looks_like_it(host: str, own: bool) -> None:
    assert is_loopback(host) is own
