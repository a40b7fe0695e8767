"""What is printed in the end."""

from __future__ import annotations

from chaos.story import Told

SHOWN = 5


def show(told: Told) -> None:
    """Print the figures, then what must not be."""
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
files at their place            {told.files}, each order in exactly one: {_yes(told, "rows not in exactly one file")}, none half: {_yes(told, "half or foreign files")}
longest time to recover         {told.longest:.1f} s, after: {told.longest_after}
all delivered after the end     {told.healed_in:.1f} s
at the start                    {told.start}
at the end                      {told.end}
""")
    for name, cases in told.faults.items():
        print(f"RED  {name}: {len(cases)}")
        for case in cases[:SHOWN]:
            print(f"       {case}")
    print("red" if told.faults else "green", flush=True)


def _yes(told: Told, name: str) -> str:
    return "no" if name in told.faults else "yes"
