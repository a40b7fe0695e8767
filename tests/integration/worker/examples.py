"""How many examples a state machine is given: few in `make test`, WAYBILL_EXAMPLES times as many when that is set."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings


def examples(count: int, *, steps: int = 40) -> settings:
    return settings(
        max_examples=count * int(os.environ.get("WAYBILL_EXAMPLES", "1")),
        stateful_step_count=steps,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
