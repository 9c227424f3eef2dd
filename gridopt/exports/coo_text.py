"""QUBOs as plain text: a header, then one coefficient a line.

::

    # vartype=BINARY
    # bits=3
    # offset=2.5
    0 0 -1.0
    0 1 2.0

dimod's COO files have such lines too, and at most the first line of the header: they are read as
well, and dimod reads ours but for the offset.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import sparse

from gridopt.errors import Issue, StudyError, raise_if_any
from gridopt.lowering.qubo import Qubo
from gridopt.lowering.reduction import entries_of

_HEADER = re.compile(r"#\s*(vartype|bits|offset)\s*[=:]\s*(\S+)\s*")

MOST_BITS = 10_000_000


def write_coo(qubo: Qubo, path: str | Path) -> None:
    """Write a QUBO as text; `read_coo` gives back the same numbers exactly.

    Only bits and energies are written: neither labels nor the way back to a program.
    """
    entries = entries_of(qubo.Q)
    lines = ["# vartype=BINARY", f"# bits={qubo.n_bits}", f"# offset={_text(qubo.offset)}"]
    lines += [
        f"{i} {j} {_text(value)}"
        for i, j, value in zip(*(part.tolist() for part in entries), strict=True)
    ]
    Path(path).write_text("\n".join(lines) + "\n", encoding="ascii")


def read_coo(path: str | Path) -> Qubo:
    """Return the QUBO of a text file; coefficients of the same bits add up.

    Spins s become bits z by s = 2z − 1, with the same energies. Without a vartype, variables are
    bits; without their number, the largest one is the last; without an offset, it is 0.

    Raises
    ------
    StudyError
        With every fault of the file and its line.
    """
    file = Path(path)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise StudyError([Issue(file.name, "file", str(fault), "a text file")]) from fault
    content = _Content(file.name)
    for number, line in enumerate(lines, start=1):
        content.add(number, line.strip())
    return content.qubo()


def _text(value: float) -> str:
    """Return the shortest text of this very number, without an exponent: dimod skips those."""
    return np.format_float_positional(value, unique=True, trim="0")


@dataclass
class _Content:
    """What a file holds, as far as it was read."""

    name: str
    header: dict[str, tuple[int, str]] = field(default_factory=dict)
    entries: list[tuple[int, int, float]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)

    def add(self, number: int, line: str) -> None:
        """Take in one line."""
        if not line:
            return
        if line.startswith("#"):
            found = _HEADER.fullmatch(line)
            if found is not None:
                self.header[found[1]] = (number, found[2])
            return
        try:
            first, second, value = line.split()
            entry = int(first), int(second), float(value)
        except ValueError:
            self.fault(number, "line", repr(line), "two numbers of bits and a coefficient")
            return
        if not (min(entry[:2]) >= 0 and max(entry[:2]) < MOST_BITS):
            self.fault(number, "bits", entry[:2], f"0 to {MOST_BITS - 1}")
        elif not np.isfinite(entry[2]):
            self.fault(number, "coefficient", value, "a finite number")
        else:
            self.entries.append(entry)
            self.lines.append(number)

    def fault(self, number: int, what: str, value: object, expected: str) -> None:
        """Note a fault of one line."""
        self.issues.append(Issue(f"{self.name}, line {number}", what, value, expected))

    def qubo(self) -> Qubo:
        """Return the QUBO, or raise all faults."""
        n, offset, spins = self._bits(), self._offset(), self._spins()
        raise_if_any(self.issues)
        row, column, value = np.array(self.entries, dtype=np.float64).reshape(-1, 3).T
        place = row.astype(np.int64), column.astype(np.int64)
        Q = sparse.coo_array((value, place), shape=(n, n))
        if not spins:
            return Qubo.of(Q, offset)
        own = place[0] == place[1]
        linear = np.zeros(n)
        np.add.at(linear, place[0], np.where(own, 2.0 * value, -2.0 * value))
        np.add.at(linear, place[1], np.where(own, 0.0, -2.0 * value))
        pairs = sparse.coo_array((4.0 * value[~own], (place[0][~own], place[1][~own])), (n, n))
        shift = float(value[~own].sum() - value[own].sum())
        return Qubo.of(pairs + sparse.diags_array(linear), offset + shift)

    def _bits(self) -> int:
        largest = max((max(i, j) for i, j, _ in self.entries), default=-1)
        number, text = self.header.get("bits", (0, str(largest + 1)))
        if not text.isdecimal() or int(text) > MOST_BITS:
            self.fault(number, "bits", text, f"a whole number, 0 to {MOST_BITS}")
            return 0
        n = int(text)
        for line, (i, j, _) in zip(self.lines, self.entries, strict=True):
            if max(i, j) >= n:
                self.fault(line, "bits", (i, j), f"less than {n}, as line {number} says")
        return n

    def _offset(self) -> float:
        number, text = self.header.get("offset", (0, "0"))
        try:
            offset = float(text)
        except ValueError:
            offset = np.nan
        if not np.isfinite(offset):
            self.fault(number, "offset", text, "a finite number")
        return offset

    def _spins(self) -> bool:
        number, text = self.header.get("vartype", (0, "BINARY"))
        if text not in ("BINARY", "SPIN"):
            self.fault(number, "vartype", text, "BINARY or SPIN")
        return text == "SPIN"
