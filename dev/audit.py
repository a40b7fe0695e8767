"""What `make audit` does: known holes in the locked packages, and the list of what is in a release (SBOM).

Not part of `make check`: the advisories are asked for over the network, and yesterday's green is today's red.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LOCK = Path("requirements.txt")
SBOM = Path("sbom.cdx.json")
HOLES, UNREACHABLE = 1, 2
SERVICES = ("pypi", "osv")


def main() -> int:
    """Write the SBOM, then look for holes. 0: none; 1: some; 2: nobody could be asked, so nothing is known."""
    write_sbom()
    for service in SERVICES:
        report = ask(service)
        if report is None:
            print(f"audit: the advisories of {service} cannot be reached.")
            continue
        holes, unknown = read(report)
        for line in holes:
            print(f"audit: {line}")
        if holes:
            return HOLES
        if unknown:
            print(f"audit: {service} does not know {len(unknown)} of the packages: {', '.join(unknown[:5])} ...")
            continue
        print(f"audit: {len(report['dependencies'])} packages, no known hole ({service}).")
        return 0
    print("audit: NOT DONE, no database of advisories answered for all packages. This says nothing about holes.")
    return UNREACHABLE


def write_sbom() -> None:
    """Write the list of all packages of a release, with versions and hashes, as CycloneDX JSON."""
    command = ["cyclonedx-py", "requirements", str(LOCK), "--pyproject", "pyproject.toml", "--output-reproducible"]
    _run([*command, "--output-format", "JSON", "-o", str(SBOM)]).check_returncode()
    count = len(json.loads(SBOM.read_text(encoding="utf-8"))["components"])
    print(f"audit: {SBOM} lists {count} packages.")


def ask(service: str, lock: Path = LOCK) -> dict[str, Any] | None:
    """Ask for the holes of everything in the lock. None when there was no answer."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.json")
        command = ["pip-audit", "--disable-pip", "--require-hashes", "-r", str(lock), "-s", service, "-f", "json"]
        _run([*command, "-o", str(answer), "--progress-spinner", "off", "--timeout", "20"])
        return json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else None


def read(report: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Give a line for each hole, and the names of packages that the service does not know."""
    holes, unknown = [], []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            unknown.append(package["name"])
        for hole in package.get("vulns", []):
            fixed = ", ".join(hole["fix_versions"]) or "no version yet"
            holes.append(f"{package['name']} {package['version']}: {hole['id']}, mended in {fixed}")
    return holes, unknown


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name(command[0])
    return subprocess.run(
        [str(tool), *command[1:]], check=False, capture_output=True, text=True
    )  # what matters is in the file


if __name__ == "__main__":
    try:
        status = main()
    except (OSError, ValueError, subprocess.CalledProcessError) as fault:  # no tool, an answer that is none
        print(f"audit: NOT DONE, {fault}.")
        status = UNREACHABLE
    sys.exit(status)
