"""What the documentation shows runs: its Python, its commands; and its links lead somewhere.

A block that cannot run has the comment ``<!-- not run -->`` on the line before it.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    *(path for path in (ROOT / "README.md", ROOT / "DESIGN.md") if path.exists()),
    *sorted((ROOT / "docs").rglob("*.md")),
]

NOT_RUN = "<!-- not run -->"
NOT_RUN_COMMANDS = ("cd", "git", "make")
"""Commands that need a clone; all else that is not gridopt needs the comment."""

PYTHON = ("python", "py")
CONSOLE = ("console", "sh", "bash", "shell")

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,}) *(?P<language>[\w+-]*)[^`]*$")
INLINE_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(
    r"\]\(\s*<?([^)\s>]+)[^)]*\)|^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)", re.MULTILINE
)
SOURCE = re.compile(r"""<(?:img|a)\s[^>]*?(?:src|href)=["']([^"']+)["']""")

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)


@dataclass(frozen=True)
class Block:
    """A fenced block of a document: its language, its text, and the line that it starts on."""

    language: str
    text: str
    line: int


def blocks(text: str, languages: tuple[str, ...]) -> Iterator[Block]:
    """Yield the blocks that are to be run."""
    lines, before, start = text.splitlines(), "", 0
    while start < len(lines):
        opened = FENCE.match(lines[start])
        if not opened:
            before = lines[start].strip() or before
            start += 1
            continue
        end = next(
            (k for k in range(start + 1, len(lines)) if lines[k].strip() == opened["ticks"]),
            len(lines),
        )
        if opened["language"] in languages and before != NOT_RUN:
            indent = len(opened["indent"])
            body = [
                line[min(indent, len(line) - len(line.lstrip())) :] for line in lines[start:end]
            ]
            yield Block(opened["language"], "\n".join(body[1:]) + "\n", start + 2)
        before, start = "", end + 1


def commands(block: Block) -> Iterator[list[str]]:
    """Yield the words of each command of a console block, without its output."""
    prompted = "$ " in {line[:2] for line in block.text.splitlines()}
    text = block.text.replace("\\\n", " ")
    for line in text.splitlines():
        if prompted and not line.startswith("$ "):
            continue  # output
        words = shlex.split(line.removeprefix("$ "), comments=True)
        if words:
            yield words


def prose(text: str) -> str:
    """Return a document without its code."""
    kept, ticks = [], ""
    for line in text.splitlines():
        fence = FENCE.match(line)
        if ticks:
            ticks = "" if line.strip() == ticks else ticks
        elif fence:
            ticks = fence["ticks"]
        else:
            kept.append(line)
    return INLINE_CODE.sub("", "\n".join(kept))


def links(text: str) -> list[str]:
    """Return the targets of a document that are files, anchors cut off."""
    found = [one or other for one, other in LINK.findall(prose(text))]
    found += SOURCE.findall(prose(text))
    local = [target for target in found if not re.match(r"[a-zA-Z][\w+.-]*:|//|#", target)]
    return [target.partition("#")[0] for target in local]


def documents() -> list[Path]:
    """Return all Markdown files of the repository."""
    folders = ("", "benchmarks", "docs", "formulations", "gridopt", "notebooks", "solvers", "tests")
    own = [ROOT.glob("*.md"), *((ROOT / folder).rglob("*.md") for folder in folders if folder)]
    return sorted({path.resolve() for found in own for path in found})


@each_document
def test_python_runs(path: Path, tmp_path: Path) -> None:
    code = [(block.line, block.text) for block in blocks(path.read_text("utf-8"), PYTHON)]
    # lines keep their numbers, so that a traceback names those of the document
    script = ""
    for line, text in code:
        script += "\n" * (line - 1 - script.count("\n")) + text
    (tmp_path / f"{path.stem}.py").write_text(script, "utf-8")
    done = subprocess.run(  # noqa: S603
        [sys.executable, f"{path.stem}.py"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr


@each_document
def test_commands_run(path: Path, tmp_path: Path) -> None:
    gridopt = Path(sysconfig.get_path("scripts")) / "gridopt"
    found = [
        words for block in blocks(path.read_text("utf-8"), CONSOLE) for words in commands(block)
    ]
    for words in found:
        if words[0] in NOT_RUN_COMMANDS:
            continue
        assert words[0] == "gridopt", f"run {words} here, or put {NOT_RUN} before its block"
        assert not set("|<>&;") & set("".join(words)), f"no shell runs {words}"
        done = subprocess.run(  # noqa: S603
            [str(gridopt), *words[1:]], capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
        assert "Warning" not in done.stderr, done.stderr


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert [link for link in links(path.read_text("utf-8")) if not leads(path, link)] == []


def leads(document: Path, link: str) -> bool:
    """Whether a link is to a file of the repository."""
    target = (document.parent / link).resolve()
    return target.exists() and target.is_relative_to(ROOT)


DOCUMENT = """
# Title

[there](a.md#part), [site](https://example.org), [here](#title), ![figure](b.png "text")
<img src="c.png"> and `[not](this.md)`.

[name]: d.md

```python
x = 1
```

<!-- not run -->
```python
raise SystemExit
```

1. In a list:

   ```python
   if x:
       print(x)
   ```

```console
$ gridopt solve one --out \\
    folder   # with a remark
cost 1
$ make demo
```

```sh
gridopt solvers
```

```text
[not](that.md)
```
"""


def test_python_blocks_are_found() -> None:
    found = list(blocks(DOCUMENT, PYTHON))
    assert [block.text for block in found] == ["x = 1\n", "if x:\n    print(x)\n"]
    assert all(
        DOCUMENT.splitlines()[block.line - 1].strip() == block.text.splitlines()[0]
        for block in found
    )


def test_commands_are_found() -> None:
    found = [words for block in blocks(DOCUMENT, CONSOLE) for words in commands(block)]
    assert found == [
        ["gridopt", "solve", "one", "--out", "folder"],
        ["make", "demo"],
        ["gridopt", "solvers"],
    ]


def test_links_are_found() -> None:
    assert links(DOCUMENT) == ["a.md", "b.png", "d.md", "c.png"]
