"""What is printed in the end, and whether it is good."""

from __future__ import annotations

from chaos.story import Told

SHOWN = 5


def faults_of(told: Told, *, left_over: int, intake_errors: list[str]) -> dict[str, list[str]]:
    """Give what must not be: name -> each case."""
    account = told.account
    found = {
        "lost": account.lost,
        "delivered without proof": account.unproved,
        "requests without an attempt": account.untold,
        "copies that differ": account.changed,
        "stale results taken": [f"{account.stale} attempts"] if account.stale else [],
        "not healed within 30 s": told.unhealed,
        "refused by the intake": intake_errors,
        "processes left over": [f"{left_over} processes"] if left_over else [],
    }
    return {name: cases for name, cases in found.items() if cases}


def show(told: Told, faults: dict[str, list[str]]) -> None:
    """Print the figures, then the faults."""
    account = told.account
    print(f"""
accepted                        {account.accepted} events, owed {account.owed} times
delivered                       {account.delivered}
lost                            {len(account.lost)}
duplicates                      {account.duplicates} of {account.good} good answers ({account.rate:.2%})
delivered without proof         {len(account.unproved)}
requests without an attempt     {len(account.untold)} of {account.requests}
copies that differ              {len(account.changed)}
stale results taken             {account.stale}
longest time to recover         {told.longest:.1f} s, after: {told.longest_after}
all delivered after the end     {told.healed_in:.1f} s
at the start                    {told.start}
at the end                      {told.end}
""")
    for name, cases in faults.items():
        print(f"RED  {name}: {len(cases)}")
        for case in cases[:SHOWN]:
            print(f"       {case}")
    print("red" if faults else "green", flush=True)
