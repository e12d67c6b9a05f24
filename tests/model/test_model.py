"""Whatever happens in whatever order, each user's replicas are what the truth says.

The short form runs with the other tests; CHAT_PROVE=1 asks for the long one.
"""

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat_testing.databases import PostgresCluster
from chat_testing.model.api import Api
from chat_testing.model.moves import MOVES, Move, World
from chat_testing.running import RunningServer, running_server

PROVE = os.environ.get("CHAT_PROVE") == "1"
RUNS_ALONE, RUNS_OF_THREE = (2_000, 100) if PROVE else (30, 3)
MOVES_AT_LEAST, MOVES_AT_MOST = 30, 45
RARE = 20  # one in so many of these moves is made, since each costs a second or more
USERS, ROOMS = 4, 2

ORDINARY = sorted(MOVES.keys() - {"restart", "crash"})
OFTEN = ["send", "send", "join", "join", "invite", "sync", "sync", "sync", "slide", "slide"]


def moves(*rare: str) -> st.SearchStrategy[list[Move]]:
    """Sequences of moves."""
    kinds = st.sampled_from(OFTEN * 2 + ORDINARY + list(rare))
    number = st.integers(0, 99)
    return st.lists(
        st.builds(Move, kinds, st.integers(0, USERS - 1), st.integers(0, ROOMS - 1), number),
        min_size=MOVES_AT_LEAST,
        max_size=MOVES_AT_MOST,
    )


def run(world: World, sequence: list[Move]) -> None:
    """Play a sequence, and compare at its end."""
    world.begin(USERS, ROOMS)
    for move in sequence:
        if move.kind != "restart" or move.number % RARE == 0:
            world.play(move)
    world.end()


def checked(
    runs: int, strategy: st.SearchStrategy[list[Move]], make_world: Callable[[], World]
) -> None:
    """Run so many sequences."""

    @settings(
        max_examples=runs, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def each(sequence: list[Move]) -> None:
        run(make_world(), sequence)

    each()


@contextmanager
def worlds(server: RunningServer, *, spread: bool) -> Iterator[Callable[[], World]]:
    """Makes worlds at a server."""
    api = Api(server.port, spread)
    yield lambda: World(api, server.restart, partial(kill_a_worker, server))
    api.drop()


def kill_a_worker(server: RunningServer) -> None:
    """End one worker at once; its master starts another."""
    master = server.process.pid
    workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    if workers:
        os.kill(int(random.choice(workers)), signal.SIGKILL)


@pytest.mark.timeout(7_200 if PROVE else 300)
def test_replicas_are_the_truth_on_sqlite() -> None:
    with running_server() as server, worlds(server, spread=False) as make_world:
        checked(RUNS_ALONE, moves("restart"), make_world)


@pytest.mark.timeout(7_200 if PROVE else 300)
def test_replicas_are_the_truth_with_three_workers(postgres_cluster: PostgresCluster) -> None:
    database = postgres_cluster.new_database()
    section = {"name": database.name, "args": database.args}
    with (
        running_server(section, workers=3) as server,
        worlds(server, spread=True) as make_world,
    ):
        checked(RUNS_OF_THREE, moves("crash", "crash"), make_world)
