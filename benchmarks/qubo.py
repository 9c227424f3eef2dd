"""All figures about QUBOs, annealers and circuits in one run.

    python benchmarks/qubo.py                       # half an hour on two cores
    python benchmarks/qubo.py lowering evaluator    # some of them

Each part is a script of its own, run in a process of its own, one after the other.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

PARTS = {
    "lowering": "lowering.py",
    "evaluator": "qaoa_evaluator.py",
    "annealers": "annealers.py",
    "windows": "compact_windows.py",
}
"""Part, and its script; each has options of its own."""


def main() -> None:
    """Run the parts that were named, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=list(PARTS))
    for part in parser.parse_args().parts:
        print(f"\n## {part}\n", flush=True)
        script = Path(__file__).with_name(PARTS[part])
        subprocess.run([sys.executable, str(script)], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
