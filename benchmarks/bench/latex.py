"""Tables in LaTeX, with rules of the package booktabs."""

from __future__ import annotations

from gridopt.bench.tables import Table

ESCAPED = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "\n": " ",
    "\r": " ",
}


def escaped(text: str) -> str:
    """Return text that LaTeX sets as it is."""
    return "".join(ESCAPED.get(character, character) for character in text)


def booktabs(table: Table, command: str) -> str:
    """Return a tabular, with a comment that says what it is and how it is made again."""
    columns = [i for i, field in enumerate(table.fields) if not field.is_code]
    kinds = "".join("r" if table.fields[i].is_number else "l" for i in columns)
    rows = [
        [table.fields[i].header for i in columns],
        *([row[i].text for i in columns] for row in table.rows),
    ]
    first, *others = (" & ".join(map(escaped, row)) + r" \\" for row in rows)
    comments = [f"% {line}" for line in (*table.caption.splitlines(), *command.splitlines())]
    lines = [
        *comments,
        rf"\begin{{tabular}}{{@{{}}{kinds}@{{}}}}",
        r"\toprule",
        first,
        r"\midrule",
        *others,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"
