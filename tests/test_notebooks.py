"""Every notebook runs from top to bottom, and is stored without its outputs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))

TIMEOUT_S = 300

ABSOLUTE_PATH = re.compile(
    r"""(?:^|[\s"'`(=])(?:(?:/|~/)[A-Za-z][\w.-]*/|[A-Z]:\\)""", re.MULTILINE
)

# In a process of its own: what the Jupyter packages leave open or warn of does not concern ours.
# The kernel is that of this interpreter, whatever kernels the machine has under the same name.
EXECUTE = """
import sys
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

file, timeout_s = sys.argv[1], int(sys.argv[2])
notebook = nbformat.read(file, as_version=4)
kernels = KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True)
assert kernels.get_kernel_spec("python3").argv[0] == sys.executable
kernel = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=kernels)
NotebookClient(notebook, km=kernel, timeout=timeout_s).execute()
nbformat.write(notebook, file)
"""

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return notebook


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def code_cells(path: Path) -> Iterator[dict[str, Any]]:
    return (cell for cell in read(path)["cells"] if cell["cell_type"] == "code")


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@each_notebook
def test_stored_without_outputs(path: Path) -> None:
    for cell in code_cells(path):
        assert cell["outputs"] == [], source(cell)
        assert cell["execution_count"] is None, source(cell)


@each_notebook
def test_stored_with_as_little_metadata_as_possible(path: Path) -> None:
    notebook = read(path)
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert [source(cell) for cell in notebook["cells"] if cell["metadata"]] == []


@each_notebook
def test_names_no_path_of_a_machine(path: Path) -> None:
    assert ABSOLUTE_PATH.findall("\n".join(map(source, read(path)["cells"]))) == []


@each_notebook
def test_runs_without_errors_and_warnings(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "notebooks"
    shutil.copytree(path.parent, folder)
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", EXECUTE, path.name, str(TIMEOUT_S)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert list(written_to_stderr(folder / path.name)) == []


def environment(home: Path) -> dict[str, str]:
    """Return the environment without anything of the user's Jupyter configuration."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTER")}
    own = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    return {**kept, **{name: str(home / name.lower()) for name in own}}


def written_to_stderr(path: Path) -> Iterator[str]:
    """Yield what cells wrote to standard error, warnings among it."""
    for cell in code_cells(path):
        for output in cell["outputs"]:
            if output["output_type"] == "stream" and output["name"] == "stderr":
                yield f"{''.join(output['text'])} from: {source(cell)}"
