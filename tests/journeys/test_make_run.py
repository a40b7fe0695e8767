"""`make run` as a newcomer meets it: the real Procfile in an empty data folder, from the first line to the last."""

import os
import signal
from collections.abc import Iterator

import psutil
import pytest
import requests

from samples import load
from tests.journeys.newcomer import Newcomer, newcomer_in

NAMES = {"web", "worker", "scheduler"}


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    with newcomer_in(tmp_path_factory.mktemp("newcomer")) as newcomer:
        yield newcomer


class TestMakeRun:
    """One run, looked at from several sides; the last test stops it."""

    def test_it_is_ready_and_says_where(self, newcomer: Newcomer) -> None:
        told = newcomer.told()
        assert set(told) == {"url", "email", "password", "api_key", "database_url", "redis_url", "pids"}
        assert set(told["pids"]) == NAMES
        assert requests.get(f"{told['url']}/readyz", timeout=10).status_code == 200
        for text in (told["url"], told["email"], told["password"], told["api_key"]):
            assert text in newcomer.log.read_text()

    def test_the_key_opens_the_api(self, newcomer: Newcomer) -> None:
        told = newcomer.told()
        profiles = f"{told['url']}/api/v1/profiles"
        assert requests.get(profiles, timeout=10).status_code == 401
        answer = requests.get(profiles, headers={"Authorization": f"Bearer {told['api_key']}"}, timeout=10)
        assert answer.json()["items"] == []

    def test_the_sample_orders_arrive_at_the_receiver(self, newcomer: Newcomer) -> None:
        said = newcomer.demo()
        assert "212 accepted, 0 duplicates, 0 refused" in said
        names = [profile["name"] for profile in load.read_profiles("") if profile["exportType"] == "postback"]
        assert [name for name in names if f"profile {name}: ready" not in said] == []
        assert "62 delivered, 4 skipped" in said  # sales, and test cards
        receiver = f"http://127.0.0.1:{(newcomer.data / 'receiver.port').read_text().strip()}"
        got = requests.get(f"{receiver}/requests", timeout=10).json()
        assert any(one["path"].startswith("/ok?first_name=") for one in got)
        assert any('"event_name":"Purchase"' in one["body"] for one in got)

    @pytest.mark.parametrize("name", sorted(NAMES))
    def test_a_killed_process_comes_back(self, newcomer: Newcomer, name: str) -> None:
        before = newcomer.told()
        os.kill(before["pids"][name], signal.SIGKILL)
        newcomer.until(lambda: newcomer.told()["pids"][name] != before["pids"][name], seconds=4)
        newcomer.until(newcomer.is_ready, seconds=30)
        assert newcomer.told()["pids"] != before["pids"]

    def test_sigterm_ends_all_of_it(self, newcomer: Newcomer) -> None:
        pids = newcomer.told()["pids"].values()
        family = [child for pid in pids for child in psutil.Process(pid).children(recursive=True)]
        newcomer.run.terminate()
        assert newcomer.run.wait(30) == 0
        _, alive = psutil.wait_procs(
            [*family, *(psutil.Process(pid) for pid in pids if psutil.pid_exists(pid))], timeout=1
        )
        assert [process.cmdline() for process in alive] == []
        assert not (newcomer.data / "run.json").exists()
