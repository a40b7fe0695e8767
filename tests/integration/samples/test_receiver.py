"""The sample receiver behaves, and misbehaves, as its front page says."""

import threading
from collections.abc import Iterator

import pytest
import requests

from samples.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[str]:
    with Receiver(0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def _get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=10, allow_redirects=False)


def test_each_path_answers_as_it_says(receiver: str) -> None:
    assert [_get(receiver + path).status_code for path in ("/ok?a=1", "/gone", "/moved", "/slow?seconds=0")] == [
        200,
        410,
        302,
        200,
    ]
    assert _get(receiver + "/say-no").text == "success=false; err_msg=duplicate"
    with pytest.raises(requests.ConnectionError):
        _get(receiver + "/down")


def test_flaky_fails_the_first_try_of_every_second_delivery(receiver: str) -> None:
    tries = [_get(receiver + "/flaky", **{"webhook-id": key}).status_code for key in ("a", "a", "b", "c", "c")]
    assert tries == [503, 200, 200, 503, 200]


def test_limited_lets_eight_through_a_second(receiver: str) -> None:
    answers = [_get(receiver + "/limited") for _ in range(9)]
    assert [answer.status_code for answer in answers] == [200] * 8 + [429]
    assert answers[-1].headers["Retry-After"] == "1"


def test_what_came_in_is_kept_and_shown_harmless(receiver: str) -> None:
    requests.post(f"{receiver}/ok?x=1", data="<img onerror=alert(1)>", timeout=5)
    last = _get(f"{receiver}/requests?limit=1").json()
    assert [(one["method"], one["path"], one["status"], one["body"]) for one in last] == [
        ("POST", "/ok?x=1", 200, "<img onerror=alert(1)>")
    ]
    assert "&lt;img onerror=alert(1)&gt;" in _get(receiver).text
