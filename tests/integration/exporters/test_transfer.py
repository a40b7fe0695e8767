"""The door against real sockets: receivers that drip, lie, hang up and never end."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pycurl
import pytest
import trustme

from exporters.base import Failing, Reply, Request
from exporters.errors import AddressBlocked, Unsendable
from exporters.guard import Ports
from exporters.transfer import ABSENT_SECONDS, BODY_KEPT, USER_AGENT, Flights, guard_from, judge_target, send
from tests.receivers import ModernReceiver, Receiver

LOOPBACK = guard_from("127.0.0.1/32")
NOWHERE = guard_from("")


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secure(authority: trustme.CA) -> Iterator[Receiver]:
    with Receiver(tls=server_context(authority.issue_cert("127.0.0.1"))) as running:
        yield running


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def get(url: str, *, timeout: float = 5.0, ca: str | None = None) -> Request:
    return Request("GET", url, (), None, timeout, ca)


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


def all_of(flights: Flights[int], count: int, *, within: float = 20.0) -> dict[int, Reply]:
    replies: dict[int, Reply] = {}
    ends = time.monotonic() + within
    while len(replies) < count and time.monotonic() < ends:
        replies.update(flights.finished(0.5))
    return replies


# ---- what goes out -------------------------------------------------------------------------------------------------


def test_a_get_sends_these_headers_and_no_others(receiver: Receiver):
    send(LOOPBACK, Request("GET", receiver.url("ok?a=%20b"), (("webhook-id", "msg_1"),), None, 5.0))
    assert (
        receiver.seen[-1].head
        == (
            f"GET /ok?a=%20b HTTP/1.1\r\nHost: 127.0.0.1:{receiver.port}\r\nUser-Agent: {USER_AGENT}\r\n"
            "Accept: */*\r\nwebhook-id: msg_1"
        ).encode()
    )


def test_a_post_sends_its_bytes_its_length_and_no_expect(receiver: Receiver):
    body = b'{"name":"Zo\xc3\xab"}' + b" " * 2_000_000
    send(LOOPBACK, Request("POST", receiver.url("ok"), (("Content-Type", "application/json"),), body, 5.0))
    seen = receiver.seen[-1]
    assert seen.body == body
    assert set(seen.headers) == {"host", "user-agent", "accept", "content-type", "content-length"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_method_that_expects_a_body_says_its_length_is_zero(receiver: Receiver, method: str):
    send(LOOPBACK, Request(method, receiver.url("ok"), (), None, 5.0))
    seen = receiver.seen[-1]
    assert (seen.method, seen.headers["content-length"]) == (method, "0")
    assert "content-type" not in seen.headers


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST", "GET"])
def test_each_method_carries_a_body(receiver: Receiver, method: str):
    send(LOOPBACK, Request(method, receiver.url("ok"), (("Content-Type", "text/x"),), b"a=1", 5.0))
    assert (receiver.seen[-1].method, receiver.seen[-1].body) == (method, b"a=1")


def test_a_delete_without_body_has_no_length(receiver: Receiver):
    send(LOOPBACK, Request("DELETE", receiver.url("ok"), (), None, 5.0))
    assert "content-length" not in receiver.seen[-1].headers


def test_a_mapped_user_agent_and_accept_replace_ours(receiver: Receiver):
    send(LOOPBACK, Request("GET", receiver.url("ok"), (("User-Agent", "Own/1"), ("accept", "text/html")), None, 5.0))
    assert receiver.seen[-1].head.count(b"Own/1") == 1
    assert b"*/*" not in receiver.seen[-1].head


def test_header_values_outside_ascii_go_as_utf_8(receiver: Receiver):
    send(LOOPBACK, Request("GET", receiver.url("ok"), (("X-Name", "Zoë"),), None, 5.0))
    assert "X-Name: Zoë".encode() in receiver.seen[-1].head


def test_the_path_and_query_go_as_they_are(receiver: Receiver):
    send(LOOPBACK, get(receiver.url("ok/a;b/%2F?q='\"<>|{}&&=&")))
    assert receiver.seen[-1].target == "/ok/a;b/%2F?q='\"<>|{}&&=&"


def test_nothing_of_one_request_is_left_in_the_next(receiver: Receiver):
    flights: Flights[int] = Flights(LOOPBACK, limit=1)
    flights.start(1, Request("PUT", receiver.url("ok"), (("X-Secret", "abc"),), b"body", 5.0))
    all_of(flights, 1)
    flights.start(2, get(receiver.url("ok")))
    all_of(flights, 1)
    flights.close()
    seen = receiver.seen[-1]
    assert (seen.method, seen.body) == ("GET", b"")
    assert set(seen.headers) == {"host", "user-agent", "accept"}


@pytest.mark.parametrize(
    "headers",
    [
        (("X-A", "1\r\nX-B: 2"),),
        (("X-A", "1\n"),),
        (("X-A", "\0"),),
        (("X-A", "1\r\n\r\nGET /admin HTTP/1.1"),),
        (("X-A", "\x7f"),),
        (("X-A\r\nX-B", "1"),),
        (("X A", "1"),),
        (("", "1"),),
        (("X:A", "1"),),
        (("Host", "inside"),),
        (("content-length", "5"),),
        (("Transfer-Encoding", "chunked"),),
        (("Proxy-Authorization", "x"),),
        (("X-A", "\ud800"),),
    ],
)
def test_the_door_refuses_headers_that_would_be_more_than_one(receiver: Receiver, headers: tuple[tuple[str, str], ...]):
    before = len(receiver.seen)
    with pytest.raises(Unsendable):
        send(LOOPBACK, Request("GET", receiver.url("ok"), headers, None, 5.0))
    assert len(receiver.seen) == before


@pytest.mark.parametrize("method", ["get", "GET / HTTP/1.1\r\nX: ", "TRACE", "CONNECT", ""])
def test_the_door_refuses_other_methods(receiver: Receiver, method: str):
    with pytest.raises(Unsendable):
        send(LOOPBACK, Request(method, receiver.url("ok"), (), None, 5.0))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a\r\nX: y",
        "http://127.0.0.1/a b",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "ftp://127.0.0.1/",
        "http://user:word@127.0.0.1/",
        "http://127.0.0.1/ë",
        "127.0.0.1",
        "",
    ],
)
def test_the_door_refuses_urls_that_are_not_clean(url: str):
    with pytest.raises(Unsendable):
        send(LOOPBACK, get(url))


def test_variables_for_proxies_do_not_matter(receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert send(LOOPBACK, get(receiver.url("ok"))).status == 200


# ---- what comes back -----------------------------------------------------------------------------------------------


def test_a_whole_answer_is_told_with_its_headers_and_time(receiver: Receiver):
    reply = send(LOOPBACK, get(receiver.url("slow/0.2")))
    assert (reply.status, reply.body, reply.failing, reply.error) == (200, b"ok\n", None, None)
    assert ("Content-Type", "text/plain") in reply.headers
    assert 200 <= reply.duration_ms < 700
    assert reply.started_at.utcoffset() is not None


@pytest.mark.parametrize("path", ["until_end", "trailers", "early_hints"])
def test_answers_of_odd_but_whole_shape_are_whole(receiver: Receiver, path: str):
    reply = send(LOOPBACK, get(receiver.url(path)))
    assert (reply.status, reply.failing) == (200, None)
    assert not any(name in ("X-Late", "Link") for name, _ in reply.headers)


@pytest.mark.parametrize(
    "path", ["reset", "nothing", "end_after_status", "end_after_header", "end_in_body", "end_in_chunks"]
)
def test_an_answer_that_breaks_off_is_cut(receiver: Receiver, path: str):
    reply = send(LOOPBACK, get(receiver.url(path)))
    assert reply.failing is Failing.CUT
    assert reply.error


@pytest.mark.parametrize("path", ["not_http", "switching"])
def test_what_is_not_an_http_answer_is_a_failure(receiver: Receiver, path: str):
    assert send(LOOPBACK, get(receiver.url(path))).failing in (Failing.PROTOCOL, Failing.CUT)


@pytest.mark.parametrize("path", ["silent", "drip", "endless_hundreds"])
def test_the_deadline_holds_whatever_the_receiver_does(receiver: Receiver, path: str):
    begun = time.monotonic()
    reply = send(LOOPBACK, get(receiver.url(path), timeout=1.0))
    assert reply.failing is Failing.TIMEOUT
    assert 0.9 < time.monotonic() - begun < 1.5


@pytest.mark.parametrize("path", ["endless_body", "endless_headers", "megabytes/1048577"])
def test_what_is_too_large_is_cut_and_only_its_beginning_kept(receiver: Receiver, path: str):
    reply = send(LOOPBACK, get(receiver.url(path)))
    assert reply.failing is Failing.TOO_LARGE
    assert len(reply.body) <= BODY_KEPT
    assert "too large" in str(reply.error)


def test_a_body_within_the_cap_is_read_to_its_end_and_its_beginning_kept(receiver: Receiver):
    reply = send(LOOPBACK, get(receiver.url("megabytes/1048576")))
    assert (reply.failing, len(reply.body), reply.is_cut) == (None, BODY_KEPT, True)


def test_a_gzip_bomb_is_not_unpacked(receiver: Receiver):
    reply = send(LOOPBACK, get(receiver.url("gzip_bomb")))
    assert (reply.failing, reply.body[:2]) == (None, b"\x1f\x8b")


def test_a_redirect_is_not_followed(receiver: Receiver):
    before = len(receiver.seen)
    reply = send(LOOPBACK, get(receiver.url("redirect/ok")))
    assert (reply.status, len(receiver.seen)) == (302, before + 1)


def test_a_closed_port_is_a_failure_to_connect():
    with Receiver() as gone:
        url = gone.url()
    assert send(LOOPBACK, get(url)).failing is Failing.CONNECT


def test_a_name_that_does_not_exist_is_a_dns_failure():
    assert send(NOWHERE, get("http://no-such-host.invalid/")).failing is Failing.DNS


# ---- TLS -----------------------------------------------------------------------------------------------------------


def test_a_private_authority_is_trusted_when_it_is_given(secure: Receiver, authority: trustme.CA):
    assert send(LOOPBACK, get(secure.url(), ca=pem(authority))).status == 200


def test_an_authority_that_is_given_takes_the_place_of_the_public_ones(
    secure: Receiver, authority: trustme.CA, tmp_path: Path
):
    """What the door relies on: with CAINFO_BLOB set, libcurl looks into CAINFO and the machine's folder no more."""
    public = tmp_path / "public.pem"
    public.write_text(pem(authority))
    handle = pycurl.Curl()
    for option, value in ((pycurl.URL, secure.url()), (pycurl.CAINFO, str(public)), (pycurl.FRESH_CONNECT, 1)):
        handle.setopt(option, value)
    handle.setopt(pycurl.WRITEFUNCTION, len)
    handle.perform()
    assert handle.getinfo(pycurl.RESPONSE_CODE) == 200
    handle.setopt(pycurl.CAINFO_BLOB, pem(trustme.CA()))
    with pytest.raises(pycurl.error) as refused:
        handle.perform()
    handle.close()
    assert refused.value.args[0] == pycurl.E_PEER_FAILED_VERIFICATION


def test_an_unknown_authority_is_refused(secure: Receiver):
    assert send(LOOPBACK, get(secure.url())).failing is Failing.TLS


def test_a_certificate_for_another_name_is_refused(authority: trustme.CA):
    with Receiver(tls=server_context(authority.issue_cert("elsewhere.example"))) as other:
        assert send(LOOPBACK, get(other.url(), ca=pem(authority))).failing is Failing.TLS


def test_a_tls_handshake_that_stalls_ends_at_the_deadline(receiver: Receiver):
    reply = send(LOOPBACK, get(receiver.url().replace("http:", "https:"), timeout=1.0))
    assert reply.failing is Failing.TIMEOUT
    assert 900 < reply.duration_ms < 1500


def test_tls_before_1_2_is_refused(authority: trustme.CA):
    context = server_context(authority.issue_cert("127.0.0.1"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with Receiver(tls=context) as old:
        assert send(LOOPBACK, get(old.url(), ca=pem(authority))).failing is Failing.TLS


def test_a_connection_kept_under_one_authority_is_not_used_under_another(secure: Receiver, authority: trustme.CA):
    flights: Flights[int] = Flights(LOOPBACK, limit=1)
    verdicts = []
    for number, ca in enumerate([pem(authority), pem(trustme.CA()), None]):
        flights.start(number, get(secure.url(), ca=ca))
        verdicts.append(all_of(flights, 1)[number].failing)
    flights.close()
    assert verdicts == [None, Failing.TLS, Failing.TLS]


def test_http_2_is_spoken_where_it_is_offered(authority: trustme.CA, tmp_path: Path):
    leaf = authority.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    key.write_bytes(leaf.private_key_pem.bytes())
    with ModernReceiver(certificate, key) as modern:
        reply = send(LOOPBACK, get(f"https://127.0.0.1:{modern.port}/", ca=pem(authority)))
        assert (reply.status, reply.failing, reply.body, modern.versions) == (200, None, b"ok", ["2"])


# ---- the guard -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"])
def test_a_refused_address_sees_no_packet_and_reads_the_same(receiver: Receiver, host: str):
    before = receiver.connections
    reply = send(NOWHERE, get(receiver.url(host=host)))
    assert (reply.failing, reply.error, receiver.connections) == (Failing.BLOCKED, "address not allowed", before)
    assert reply.address in {"127.0.0.1", "::1", "0.0.0.0"}


def test_an_allowed_port_does_not_allow_its_neighbour(receiver: Receiver):
    assert send(guard_from(f"127.0.0.1/32:{receiver.port}"), get(receiver.url())).status == 200
    assert send(guard_from(f"127.0.0.1/32:{receiver.port + 1}"), get(receiver.url())).failing is Failing.BLOCKED


def test_a_kept_connection_is_judged_again(receiver: Receiver):
    flights: Flights[int] = Flights(LOOPBACK, limit=1)
    flights.start(1, get(receiver.url()))
    assert all_of(flights, 1)[1].status == 200
    flights._guard, flights._cleared_until = NOWHERE, 0.0
    flights.start(2, get(receiver.url()))
    assert all_of(flights, 1)[2].failing is Failing.BLOCKED
    flights.close()


def test_a_target_can_be_judged_before_it_is_saved():
    with pytest.raises(AddressBlocked) as refusal:
        judge_target(NOWHERE, "localhost", 8080, Ports.WEB)
    assert (str(refusal.value), refusal.value.address in {"127.0.0.1", "::1"}) == ("address not allowed", True)
    judge_target(LOOPBACK, "127.0.0.1", 8080, Ports.WEB)
    judge_target(NOWHERE, "no-such-host.invalid", 80, Ports.WEB)


# ---- many at once --------------------------------------------------------------------------------------------------


def test_hundreds_fly_at_once_and_each_answer_finds_its_tag(receiver: Receiver):
    flights: Flights[int] = Flights(LOOPBACK, limit=100)
    replies: dict[int, Reply] = {}
    begun, next_tag = time.monotonic(), 0
    while len(replies) < 300:
        while flights.room and next_tag < 300:
            flights.start(next_tag, get(receiver.url(f"echo/{next_tag}")))
            next_tag += 1
        replies.update(flights.finished(0.5))
        assert time.monotonic() - begun < 20
    flights.close()
    assert all(f"GET /echo/{tag} ".encode() in reply.body for tag, reply in replies.items())


def test_connections_are_used_again():
    with Receiver() as fresh:
        flights: Flights[int] = Flights(LOOPBACK, limit=4)
        for number in range(50):
            flights.start(number, get(fresh.url()))
            all_of(flights, 1)
        flights.close()
        assert (len(fresh.seen), fresh.connections) == (50, 1)


def test_what_libcurl_sends_again_by_itself_is_told():
    """A kept connection that is closed without a byte of an answer: libcurl takes a fresh one."""
    with Receiver() as receiver:
        flights: Flights[int] = Flights(LOOPBACK)
        try:
            flights.start(1, get(receiver.url("ok")))
            first = all_of(flights, 1)[1]
            flights.start(2, get(receiver.url("reset")))
            second = all_of(flights, 1)[2]
        finally:
            flights.close()
    assert [seen.target for seen in receiver.seen] == ["/ok", "/reset", "/reset"]
    assert first.resent_at == ()
    (again,) = second.resent_at
    assert again >= second.started_at
    assert second.failing is Failing.CUT


def test_a_silent_receiver_does_not_hold_up_the_others(receiver: Receiver):
    flights: Flights[int] = Flights(LOOPBACK, limit=20)
    with Receiver() as other:
        for number in range(10):
            flights.start(number, get(receiver.url("silent"), timeout=30))
        for number in range(10, 20):
            flights.start(number, get(other.url()))
        begun = time.monotonic()
        replies = all_of(flights, 10)
        assert time.monotonic() - begun < 1
    assert sorted(replies) == list(range(10, 20))
    assert sorted(flights.cut()) == list(range(10))
    assert flights.room == 20
    flights.close()


def test_an_answer_that_came_while_nobody_looked_is_read_though_its_time_is_over(receiver: Receiver):
    flights: Flights[int] = Flights(LOOPBACK, limit=2)
    for number in range(2):
        flights.start(number, get(receiver.url("slow/0.3"), timeout=1.0))
    flights.finished(0.1)
    time.sleep(ABSENT_SECONDS + 1)
    replies = all_of(flights, 2)
    assert [(reply.status, reply.failing, reply.absent_seconds) for reply in replies.values()] == [(200, None, 0)] * 2
    flights.close()


def test_what_ends_because_nobody_looked_after_it_says_so(receiver: Receiver):
    flights: Flights[int] = Flights(LOOPBACK, limit=3)
    flights.start(1, get(receiver.url("silent"), timeout=1.0))
    flights.start(2, get(receiver.url("slow/1.5"), timeout=4.0))
    flights.finished(0.1)
    time.sleep(ABSENT_SECONDS + 1)
    flights.start(3, get(receiver.url("silent"), timeout=2.0))
    begun = time.monotonic()
    replies = all_of(flights, 3)
    assert time.monotonic() - begun < 4
    assert (replies[1].failing, replies[1].absent_seconds > ABSENT_SECONDS) == (Failing.TIMEOUT, True)
    assert "our own process was stopped or busy for" in str(replies[1].error)
    assert (replies[2].status, replies[2].absent_seconds) == (200, 0)
    assert (replies[3].failing, replies[3].absent_seconds) == (Failing.TIMEOUT, 0)  # begun after that
    flights.close()


def test_finished_waits_no_longer_than_it_is_told(receiver: Receiver):
    flights: Flights[int] = Flights(LOOPBACK, limit=1)
    flights.start(1, get(receiver.url("silent"), timeout=30))
    begun = time.monotonic()
    assert flights.finished(0.3) == []
    assert 0.25 < time.monotonic() - begun < 0.8
    flights.close()


def test_a_wake_ends_the_wait():
    flights: Flights[int] = Flights(LOOPBACK, limit=1)
    flights.wake()
    begun = time.monotonic()
    assert flights.finished(5.0) == []
    assert time.monotonic() - begun < 0.5
    flights.close()


def test_a_name_that_was_not_found_rests_and_those_behind_it_fail_with_it():
    flights: Flights[int] = Flights(NOWHERE, limit=10)
    for number in range(5):
        flights.start(number, get("http://no-such-host.invalid/"))
    assert len(flights._flying) == 1
    assert {reply.failing for reply in all_of(flights, 5).values()} == {Failing.DNS}
    flights.start(5, get("http://no-such-host.invalid/again"))
    assert flights._flying == {}
    assert all_of(flights, 1)[5].failing is Failing.DNS
    assert flights.room == 10
    flights.close()


def test_those_behind_a_new_name_start_once_it_is_found(receiver: Receiver):
    flights: Flights[int] = Flights(guard_from("127.0.0.1/32,::1/128"), limit=10)
    for number in range(5):
        flights.start(number, get(receiver.url("slow/0.5", host="localhost")))
    begun = time.monotonic()
    replies = all_of(flights, 5)
    flights.close()
    assert {reply.status for reply in replies.values()} == {200}
    assert time.monotonic() - begun < 1.5  # side by side, not one after the other


def test_a_request_sent_alone_tells_where_its_time_went(
    receiver: Receiver, secure: Receiver, authority: trustme.CA
) -> None:
    plain = send(LOOPBACK, get(receiver.url("ok"))).timing
    assert plain is not None
    assert plain.connected_ms is not None
    assert plain.first_byte_ms is not None
    assert 0 < plain.connected_ms <= plain.first_byte_ms
    assert plain.secured_ms is None
    over_tls = send(LOOPBACK, get(secure.url("ok"), ca=pem(authority))).timing
    assert over_tls is not None
    assert over_tls.secured_ms is not None
    refused = send(NOWHERE, get(receiver.url("ok"))).timing
    assert refused is not None
    assert refused.first_byte_ms is None


def test_a_file_that_can_be_read_ends_the_wait_and_is_not_watched_any_more(receiver: Receiver):
    reading, writing = os.pipe()
    flights: Flights[str] = Flights(LOOPBACK)
    flights.start("slow", get(receiver.url("slow/0.5")))
    os.write(writing, b"!")
    assert flights.finished(30, heeding=reading) == []
    assert [tag for tag, _ in flights.finished(30)] == ["slow"]
    os.close(reading)
    os.close(writing)
    flights.close()


def test_what_is_in_the_air_for_long_is_told_apart(receiver: Receiver):
    flights: Flights[str] = Flights(LOOPBACK)
    flights.start("old", get(receiver.url("slow/30")))
    assert flights.older_than(0) == ["old"]
    assert flights.older_than(3600) == []
    flights.close()
