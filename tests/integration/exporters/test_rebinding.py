"""Names whose addresses change between two looks: a real DNS server, in a network of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

ALONE = ("unshare", "--map-root-user", "--mount", "--net")
CAN_BE_ALONE = bool(shutil.which("unshare") and shutil.which("ip")) and (
    subprocess.run(
        [*ALONE, "mount", "--bind", "/etc/hostname", "/etc/hostname"], check=False, capture_output=True
    ).returncode
    == 0
)


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    command = [*ALONE, sys.executable, "-m", "tests.integration.exporters.rebinding"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answers: dict[str, str] = json.loads(done.stdout)
    return answers


@pytest.mark.skipif(not CAN_BE_ALONE, reason="this machine lets us make no namespaces: rebinding was not tried")
class TestRebinding:
    def test_a_name_that_was_public_when_it_was_saved_is_refused_when_it_leads_inside(
        self, told: dict[str, str]
    ) -> None:
        assert {told[f"saved turns-{number}.example"] for number in range(3)} == {"passed"}
        assert told["asked again"] == "True"
        assert told["http turns-0.example"] == "blocked"

    def test_file_servers_are_judged_at_the_dial_too(self, told: dict[str, str]) -> None:
        assert told["ftp turns-1.example"] == told["sftp turns-2.example"] == "AddressBlocked"

    def test_one_address_inside_among_public_ones_is_enough(self, told: dict[str, str]) -> None:
        for name in ("both.example", "both-turned.example"):
            assert (told[f"saved {name}"], told[f"http {name}"]) == ("refused", "blocked")

    def test_names_of_all_kinds_of_inner_addresses_are_refused(self, told: dict[str, str]) -> None:
        for name in (
            "inside",
            "zero",
            "metadata",
            "private",
            "loopback",
            "mapped",
            "nat64",
            "six-to-four",
            "local",
            "unique",
        ):
            assert (told[f"saved {name}.example"], told[f"http {name}.example"]) == ("refused", "blocked"), name

    def test_no_packet_went_there_although_it_could_have(self, told: dict[str, str]) -> None:
        assert told["connections"] == "0"
        assert told["reached when allowed"] == "200"
