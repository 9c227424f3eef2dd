"""All figures about QUBOs, annealers and circuits in one run.

    python benchmarks/qubo.py                       # half an hour on two cores
    python benchmarks/qubo.py lowering evaluator    # some of them

Each part is a script of its own, run in a process of its own, one after the other.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PARTS = {
    "lowering": "lowering.py",
    "evaluator": "qaoa_evaluator.py",
    "annealers": "annealers.py",
    "windows": "compact_windows.py",
}
"""Part, and its script; each has options of its own."""


def parts_to_run(arguments: Sequence[str] | None = None) -> list[str]:
    """Return the parts that were named, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parts: list[str] = parser.parse_args(arguments).parts or list(PARTS)
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {', '.join(unknown)}; expected some of {', '.join(PARTS)}")
    return parts


def main() -> None:
    """Run each part."""
    for part in parts_to_run():
        print(f"\n## {part}\n", flush=True)
        script = Path(__file__).with_name(PARTS[part])
        subprocess.run([sys.executable, str(script)], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
