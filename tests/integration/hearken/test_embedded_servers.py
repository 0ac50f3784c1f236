"""The embedded PostgreSQL and Redis: they serve, they end with their parent, and they leave nothing."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from kombu import Connection
from polling import until
from serving import shared_memory
from sqlalchemy import create_engine, text

from hearken.local import PostgresServer, RedisServer, StartRefused
from hearken.local.unix_account import closed_step

_HOLD = """
import sys, time
from pathlib import Path
from hearken.local import PostgresServer, RedisServer
with PostgresServer(Path(sys.argv[1]), durable=False) as postgres, RedisServer(Path(sys.argv[1])) as redis:
    print(postgres.pid, redis.pid, postgres.sockets, redis.sockets, flush=True)
    time.sleep(600)
"""


def test_postgres_is_18_with_pgvector_085_and_no_port(folder: Path) -> None:
    with PostgresServer(folder, durable=False) as server:
        engine = create_engine(server.url)
        with engine.begin() as connection:
            connection.execute(text("create extension vector"))
            version = connection.execute(text("select extversion from pg_extension where extname = 'vector'"))
            assert version.scalar_one() == "0.8.5"
            assert connection.execute(text("show server_version_num")).scalar_one() >= "180000"
            assert connection.execute(text("select '[3,4]'::vector <-> '[0,0]'::vector")).scalar_one() == 5.0
        engine.dispose()
        assert server.pid is not None
        process = psutil.Process(server.pid)
        listening = [end for end in process.net_connections("inet") if end.status == psutil.CONN_LISTEN]
        assert listening == []


def test_an_address_that_is_reserved_is_the_one_that_is_served_and_is_nobody_elses(folder: Path) -> None:
    server = RedisServer(folder)
    server.reserve()
    reserved = server.client_url
    with pytest.raises(StartRefused, match="in use"):
        RedisServer(folder).reserve()
    server.start()
    assert server.client_url == reserved
    with redis.Redis.from_url(reserved) as client:
        assert client.ping()
    server.stop()
    again = RedisServer(folder)
    again.reserve()
    place = again.sockets
    again.stop()
    assert not place.exists()


def test_a_kombu_queue_works_over_the_redis_socket(folder: Path) -> None:
    with RedisServer(folder) as server, Connection(server.url) as connection:
        queue = connection.SimpleQueue("wake-ups")
        queue.put({"model": "small"})
        message = queue.get(timeout=5)
        assert message.payload == {"model": "small"}
        message.ack()
        queue.close()


def test_stopping_leaves_no_process_no_socket_and_no_shared_memory(folder: Path) -> None:
    shared_files = set(Path("/dev/shm").iterdir())
    with PostgresServer(folder, durable=False) as postgres, RedisServer(folder) as server:
        family = [psutil.Process(pid) for pid in (postgres.pid, server.pid) if pid is not None]
        family += [child for process in list(family) for child in process.children(recursive=True)]
        sockets = [postgres.sockets, server.sockets]
        account = family[0].uids().real
        before = shared_memory(account)
        assert len(before) >= 1
    assert not any(process.is_running() for process in family)
    assert not any(place.exists() for place in sockets)
    assert len(shared_memory(account)) == len(before) - 1
    assert not any(path.owner() == str(account) for path in set(Path("/dev/shm").iterdir()) - shared_files)


def test_a_killed_parent_takes_its_servers_along_and_the_data_stays(folder: Path) -> None:
    with PostgresServer(folder, durable=False) as server, psycopg.connect(server.connection_string()) as connection:
        connection.execute("create table kept as select 7 as number")
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    postgres_pid, redis_pid, *sockets = holder.stdout.readline().split()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    until(lambda: not any(psutil.pid_exists(int(pid)) for pid in (postgres_pid, redis_pid)), "the servers' end", 20)
    until(lambda: not any(Path(place).exists() for place in sockets), "the end of their sockets", 20)
    with PostgresServer(folder, durable=False) as server, psycopg.connect(server.connection_string()) as connection:
        assert connection.execute("select number from kept").fetchall() == [(7,)]


def test_a_killed_guard_takes_its_server_along(folder: Path) -> None:
    server = PostgresServer(folder, durable=False)
    server.start()
    assert server.pid is not None
    process = psutil.Process(server.pid)
    guard = process.parent()
    assert guard is not None
    guard.kill()
    until(lambda: server.poll() is not None, "the server's end", 20)
    until(lambda: not process.is_running(), "the end of its process", 20)
    server.stop()


def test_a_start_right_after_the_parent_was_killed_waits_for_the_old_servers_to_end(folder: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with PostgresServer(folder, durable=False) as server, psycopg.connect(server.connection_string()) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_killed_server_starts_again_at_the_same_address(folder: Path) -> None:
    with PostgresServer(folder, durable=False) as server:
        address, first = server.url, server.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        until(lambda: server.poll() is not None, "the server's end", 20)
        assert server.poll() == 128 + signal.SIGKILL
        assert server.start() == address
        assert server.pid != first
        with psycopg.connect(server.connection_string()) as connection:
            assert connection.execute("select 1").fetchone() == (1,)


def test_a_stale_pid_file_with_the_number_of_another_process_does_not_stop_a_start(folder: Path) -> None:
    with PostgresServer(folder, durable=False) as server:
        cluster = server.home / "18"
    pid_file = cluster / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{cluster}\n")
    with PostgresServer(folder, durable=False) as server, psycopg.connect(server.connection_string()) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_second_server_on_a_folder_in_use_is_refused_in_one_line_that_names_the_owner(folder: Path) -> None:
    with RedisServer(folder) as server:
        with pytest.raises(StartRefused, match=f"in use by process {os.getpid()}") as refused:
            RedisServer(folder).start()
        assert "\n" not in str(refused.value)
        client = redis.Redis.from_url(server.client_url)
        assert client.ping()
        client.close()


def test_a_folder_that_is_a_file_is_refused_in_one_line(folder: Path) -> None:
    (folder / "taken").write_text("")
    with pytest.raises(StartRefused, match="cannot be written: it is not a folder"):
        PostgresServer(folder / "taken").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give its data to another user")
def test_root_is_told_when_the_servers_user_cannot_reach_the_folder(folder: Path) -> None:
    closed = folder / "private"
    closed.mkdir(mode=0o700)
    with pytest.raises(StartRefused, match=f"{closed} is closed to it"):
        PostgresServer(closed / "data").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give its data to another user")
def test_under_root_servers_run_as_a_user_that_owns_only_the_data_folder(folder: Path) -> None:
    with PostgresServer(folder, durable=False) as server:
        assert server.pid is not None
        process = psutil.Process(server.pid)
        assert 61_184 <= process.uids().effective < 65_520
        assert server.home.stat().st_uid == process.uids().effective
        assert server.home.stat().st_mode & 0o777 == 0o700
        assert server.sockets.stat().st_mode & 0o777 == 0o700
        # Linux file systems know their owner only as a number here: nobody else has this account.
        assert process.username() == str(process.uids().effective)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another user")
@pytest.mark.skipif(
    any(closed_step(Path(place), 65_534) for place in (sys.prefix, sys.base_prefix)),
    reason="this Python is closed to other users",
)
def test_an_ordinary_user_starts_and_stops_both_servers() -> None:
    script = """
import os, sys
from hearken.local import PostgresServer, RedisServer, temporary_folder
os.setgroups([]); os.setgid(65534); os.setuid(65534)
with temporary_folder() as folder, PostgresServer(folder, durable=False) as postgres, RedisServer(folder) as server:
    print(postgres.account, server.account, os.geteuid())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.split() == ["None", "None", "65534"]


def test_a_server_started_in_a_thread_lives_on_after_the_thread(folder: Path) -> None:
    server = RedisServer(folder)
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
    client = redis.Redis.from_url(server.client_url)
    assert client.ping()
    client.close()
    assert server.poll() is None
    server.stop()
