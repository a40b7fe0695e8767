"""`python -m bench.plots RESULTS.json FOLDER`: pictures of what `python -m bench --json RESULTS.json` measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

OURS, REFERENCE, OTHER = "#1b6ca8", "#8a8f98", "#c4572e"

Rows = list[dict[str, Any]]


def draw(rows: Rows, folder: Path) -> list[Path]:
    """Draw each picture that the rows have the figures for. Gives the files, the same bytes for the same rows."""
    mpl.rcParams.update({"svg.hashsalt": "waybill", "font.size": 10, "axes.grid": True, "grid.alpha": 0.3})
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, picture in (("throughput", _throughput), ("latency", _latency), ("rows", _rows)):
        figure = Figure(figsize=(7, 3.6), layout="constrained", facecolor="white")
        axes = figure.add_subplot()
        if picture(rows, axes):
            axes.spines[["top", "right"]].set_visible(False)
            path = folder / f"{name}.svg"
            figure.savefig(path, metadata={"Date": None})
            made.append(path)
    return made


def _throughput(rows: Rows, axes: Axes) -> bool:
    """Postbacks a second by worker processes."""
    found = False
    for kind, colour, above in (("GET", OURS, 7), ("JSON POST", OTHER, -15)):
        points = sorted(
            (int(row["figures"]["processes"]), row["figures"]["per_s"])
            for row in rows
            if row["name"].startswith("postbacks,") and row["name"].endswith(kind)
        )
        if points:
            found = True
            axes.plot(*zip(*points, strict=True), marker="o", color=colour, label=f"postbacks, {kind}")
            for processes, rate in points:
                axes.annotate(
                    f"{rate:,.0f}", (processes, rate), textcoords="offset points", xytext=(0, above), ha="center"
                )
            axes.set_xticks([processes for processes, _ in points])
    axes.axhline(6_000, color=REFERENCE, linestyle="--", label="mark: 6,000/s")
    axes.set(xlabel="worker processes (two cores)", ylabel="postbacks a second")
    axes.set_ylim(bottom=0)
    axes.margins(y=0.15)
    axes.legend(loc="lower right")
    return found


def _latency(rows: Rows, axes: Axes) -> bool:
    """How many of the events have arrived after how long."""
    found = [row for row in rows if row["name"].startswith("as it happens")]
    for row, colour in zip(found, (OURS, OTHER), strict=False):
        cuts = {int(name[1:-3]): took for name, took in row["figures"].items() if name.startswith("p")}
        label = f"{row['figures']['rate']:,.0f} events a second"
        axes.plot([cuts[cut] for cut in sorted(cuts)], sorted(cuts), marker="o", color=colour, label=label)
    axes.set(xlabel="milliseconds from the 2xx of the intake to the receiver", ylabel="% of events", xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(0, 101)
    axes.legend(loc="lower right")
    return bool(found)


def _rows(rows: Rows, axes: Axes) -> bool:
    """The cost of a postback by what the database holds."""
    full = [row["figures"] for row in rows if "finished deliveries" in row["name"]]
    if not full:
        return False
    points = [(0.0, 1e6 / full[0]["reference_per_s"])]
    points += sorted((one["finished"] / 1e6, 1e6 / one["per_s"]) for one in full)
    axes.plot(*zip(*points, strict=True), marker="o", color=OURS)
    for millions, cost in points:
        axes.annotate(f"{cost:.0f} us", (millions, cost), textcoords="offset points", xytext=(0, 7), ha="center")
    axes.set(xlabel="millions of finished deliveries in the database", ylabel="microseconds a postback")
    axes.set_ylim(0, 1.4 * max(cost for _, cost in points))
    axes.margins(x=0.1)
    return True


if __name__ == "__main__":
    results, target = sys.argv[1:]
    for path in draw(json.loads(Path(results).read_text())["rows"], Path(target)):
        print(path)
