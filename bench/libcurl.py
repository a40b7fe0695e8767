"""The reference of the postback rows: a bare libcurl multi loop that sends the same requests and stores nothing.

`python -m bench.libcurl URL COUNT JSON?` sends COUNT requests with 256 in flight over kept connections.
"""

from __future__ import annotations

import sys

import pycurl

IN_FLIGHT = 256


def send_all(url: str, count: int, *, is_json: bool) -> None:
    """Send `count` requests as fast as libcurl can, with nothing around it."""
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_MAXCONNECTS, IN_FLIGHT)
    started = landed = 0
    idle = [pycurl.Curl() for _ in range(IN_FLIGHT)]
    for handle in idle:
        handle.setopt(pycurl.WRITEFUNCTION, lambda _data: None)
        handle.setopt(pycurl.NOSIGNAL, 1)
    while landed < count:
        while idle and started < count:
            handle = idle.pop()
            _prepare(handle, url, started, is_json=is_json)
            multi.add_handle(handle)
            started += 1
        multi.perform()
        left = 1
        while left:
            left, whole, broken = multi.info_read()
            for handle in whole:
                multi.remove_handle(handle)
                idle.append(handle)
                landed += 1
            if broken:
                raise RuntimeError(broken[0][2])
        multi.select(0.1)


def _prepare(handle: pycurl.Curl, url: str, number: int, *, is_json: bool) -> None:
    person, campaign = number % 20_000, 1 + number % 10
    if is_json:
        body = (
            f'{{"first_name":"Zoë","order_date":"2026-11-23 09:58:12","list_id":"400",'
            f'"email_address":"zoe{person}@example.com","campaign_number":{campaign}}}'
        )
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.POSTFIELDS, body.encode())
        handle.setopt(pycurl.HTTPHEADER, ["Content-Type: application/json", f"webhook-id: wb_0_{number}", "Expect:"])
    else:
        handle.setopt(
            pycurl.URL,
            f"{url}?first_name=Zo%C3%AB&order_date=2026-11-23%2009%3A58%3A12&list_id=400"
            f"&email_address=zoe{person}%40example.com&campaign_number={campaign}",
        )
        handle.setopt(pycurl.HTTPHEADER, [f"webhook-id: wb_0_{number}"])


if __name__ == "__main__":
    send_all(sys.argv[1], int(sys.argv[2]), is_json=sys.argv[3] == "json")
