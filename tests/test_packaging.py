"""What the wheel and the source distribution hold."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    # folder at the top: where its files are in the wheel
    "gridopt": "gridopt",
    "benchmarks/bench": "gridopt/bench",
    "formulations": "gridopt/formulations",
    "solvers": "gridopt/solvers",
}
NOT_SOURCE = shutil.ignore_patterns(
    ".*", "__pycache__", "*.egg-info", "build", "dist", "out", "demo-out"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build, without a network, a wheel from the tree and another through the sdist."""
    top = tmp_path_factory.mktemp("packaging")
    source, dist = top / "source", top / "dist"
    shutil.copytree(ROOT, source, symlinks=True, ignore=NOT_SOURCE)
    build(source, "--wheel", "--outdir", str(dist / "direct"))
    build(source, "--outdir", str(dist / "through_sdist"))
    return dist


def build(source: Path, *options: str) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", *options, str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def wheel_names(folder: Path) -> set[str]:
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


def expected_names() -> set[str]:
    """Return every file of the source that belongs into the wheel, under its name there."""
    data = [file for file in (ROOT / "gridopt/data").iterdir() if file.suffix in (".csv", ".md")]
    expected = {"gridopt/py.typed", *(f"gridopt/data/{file.name}" for file in data)}
    for folder, target in (
        ("gridopt/pages/templates", "gridopt/pages/templates"),
        ("benchmarks/bench/templates", "gridopt/bench/templates"),
        ("benchmarks/bench/suites", "gridopt/bench/suites"),
    ):
        expected |= {f"{target}/{file.name}" for file in (ROOT / folder).iterdir()}
    for file in (ROOT / "benchmarks/bench/adapters").glob("*/requirements.*"):
        expected.add(f"gridopt/bench/adapters/{file.parent.name}/{file.name}")
    for folder, target in FOLDERS.items():
        for file in (ROOT / folder).rglob("*.py"):
            inside = file.relative_to(ROOT / folder)
            if folder != "gridopt" or f"gridopt/{inside.parts[0]}" not in FOLDERS.values():
                expected.add(f"{target}/{inside.as_posix()}")
    return expected


@pytest.mark.parametrize("way", ["direct", "through_sdist"])
def test_wheel_has_one_top_level_name(built: Path, way: str) -> None:
    top = {name.split("/")[0] for name in wheel_names(built / way)}
    assert {name for name in top if not name.endswith(".dist-info")} == {"gridopt"}


@pytest.mark.parametrize("way", ["direct", "through_sdist"])
def test_wheel_holds_the_source(built: Path, way: str) -> None:
    held = {name for name in wheel_names(built / way) if ".dist-info/" not in name}
    assert sorted(expected_names() - held) == [], "missing: see packages in pyproject.toml"
    assert sorted(held - expected_names()) == [], "not of the source"


def test_wheel_holds_the_license(built: Path) -> None:
    assert any(name.endswith("/licenses/LICENSE") for name in wheel_names(built / "direct"))


def test_sdist_has_each_file_once(built: Path) -> None:
    (sdist,) = (built / "through_sdist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [
            Path(name).relative_to(Path(name).parts[0]).as_posix() for name in archive.getnames()
        ]
    assert len(names) == len(set(names))
    assert "pyproject.toml" in names
    twice = [
        name for name in names if name.startswith(("gridopt/formulations/", "gridopt/solvers/"))
    ]
    assert twice == [], "the sdist followed the links"
