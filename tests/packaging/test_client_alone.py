"""`pip install hearken` gives the client and the terminal, and says in one line what anything else needs."""

import json
from pathlib import Path

import pytest

from tests.packaging.installed import Installed
from tests.packaging.running import Service

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("serve")]

SERVING = "torch transformers numpy scipy sklearn pyarrow sqlalchemy psycopg alembic fastapi uvicorn celery psutil"
CONVERSATION = {
    "turns": [{"speaker": "Ana", "text": "Are you coming?"}, {"speaker": "Bo", "text": "Yes, at six."}],
}


def test_the_client_is_imported_where_nothing_else_of_ours_can_run(client_alone: Installed, outside: Path) -> None:
    program = f"""
import importlib.util, hearken.client
print([name for name in {SERVING.split()} if importlib.util.find_spec(name)])
print(hearken.client.__file__)
"""
    done = client_alone.run(client_alone.python, "-c", program, cwd=outside)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["[]", str(client_alone.site_packages / "hearken" / "client.py")]


def test_the_terminal_helps_there(client_alone: Installed, outside: Path) -> None:
    done = client_alone.run(client_alone.hearken, "--help", cwd=outside)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f" {command} " in done.stdout for command in ("analyze", "compare", "export", "search", "jobs", "serve"))


def test_transcripts_and_data_sets_are_read_there(client_alone: Installed, tmp_path: Path) -> None:
    talk = tmp_path / "talk.vtt"
    talk.write_text("WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ana>Are you coming?\n", encoding="utf-8")
    table = tmp_path / "talks.csv"
    table.write_text("conversation_id,speaker,text\na,Ana,Are you coming?\na,Bo,Yes.\n", encoding="utf-8")
    found = {}
    for file in (talk, table):
        done = client_alone.run(client_alone.hearken, "read", file, "--json", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        found[file] = json.loads(done.stdout)
    assert found[talk]["turns"] == [{"speaker": "Ana", "text": "Are you coming?", "start": 1.0, "end": 2.0}]
    assert found[table]["reading"]["layout"] == "utterances"
    program = f"import hearken; print(len(hearken.read({str(talk)!r}).turns))"
    done = client_alone.run(client_alone.python, "-c", program, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("serve", "embedded"),
        ("demo", "embedded"),
        ("analyze document.txt", "embedded"),
        ("jobs", "embedded"),
        ("api", "server"),
        ("worker", "server"),
        ("beat", "server"),
        ("migrate", "server"),
        ("keys create --tenant someone", "server"),
    ],
)
def test_what_needs_an_extra_ends_in_one_line_that_says_which(
    client_alone: Installed, tmp_path: Path, command: str, extra: str
) -> None:
    (tmp_path / "document.txt").write_text("Are you coming?", encoding="utf-8")
    done = client_alone.run(client_alone.hearken, *command.split(), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("hearken: ")
    assert f"`pip install 'hearken[{extra}]'`" in done.stderr
    assert done.stderr.count("\n") == 1


def test_its_commands_work_against_a_running_service(client_alone: Installed, service: Service, tmp_path: Path) -> None:
    (tmp_path / "talk.json").write_text(json.dumps(CONVERSATION), encoding="utf-8")

    def hearken(*arguments: str) -> str:
        done = client_alone.run(client_alone.hearken, *arguments, "--server", service.url, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    assert "who attends" in hearken("analyze", "talk.json")
    assert json.loads(hearken("analyze", "talk.json", "--json"))["speakers"] == ["Ana", "Bo"]
    assert "Are you coming?" in hearken("search", "somebody arrives")
    assert "succeeded" in hearken("jobs")
    hearken("export", "all.csv")
    assert (tmp_path / "all.csv").read_text(encoding="utf-8").count("\n") >= 2
