"""The one door to the network: libcurl. Every address that a person typed is dialled in this package and nowhere else.

`Flights` carries hundreds of requests at once in one thread; `send` is the same for one.
"""

from __future__ import annotations

import os

# Before libcurl starts: with this variable it would write the keys of every TLS connection to a file.
os.environ.pop("SSLKEYLOGFILE", None)

from exporters.transfer.addresses import origin as origin
from exporters.transfer.addresses import parse_certificates as parse_certificates
from exporters.transfer.addresses import parse_host as parse_host
from exporters.transfer.addresses import parse_url as parse_url
from exporters.transfer.door import FileDoor as FileDoor
from exporters.transfer.flights import ABSENT_SECONDS as ABSENT_SECONDS
from exporters.transfer.flights import BODY_CAP as BODY_CAP
from exporters.transfer.flights import BODY_KEPT as BODY_KEPT
from exporters.transfer.flights import HEADER_CAP as HEADER_CAP
from exporters.transfer.flights import METHODS as METHODS
from exporters.transfer.flights import USER_AGENT as USER_AGENT
from exporters.transfer.flights import Flights as Flights
from exporters.transfer.flights import send as send
from exporters.transfer.guarding import guard_from as guard_from
from exporters.transfer.guarding import judge_target as judge_target
from exporters.transfer.place import HostKey as HostKey
from exporters.transfer.place import Place as Place
from exporters.transfer.place import parse_host_keys as parse_host_keys
