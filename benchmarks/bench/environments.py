"""Environments of peers, each made once from a lock, so that none must agree with ours."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridopt.errors import PeerError, UnknownNameError

ADAPTERS = Path(__file__).resolve().parent / "adapters"
LOCK = "requirements.lock"
VARIABLE = "GRIDOPT_PEERS"
"""Environment variable with the folder of the environments."""


def groups() -> tuple[str, ...]:
    """Return the groups of peers, each with an environment of its own."""
    return tuple(sorted(lock.parent.name for lock in ADAPTERS.glob(f"*/{LOCK}")))


def default_root() -> Path:
    """Return the folder of the environments: ``$GRIDOPT_PEERS``, or in the user's cache."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "gridopt" / "peers"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "gridopt" / "peers"


def installed(group: str, root: Path | None = None) -> Path | None:
    """Return the Python of a group's environment, or None where it has not been made."""
    folder, lock = _places(group, root)
    done = folder / LOCK
    return _python(folder) if done.exists() and done.read_bytes() == lock.read_bytes() else None


def ensure_environment(group: str, root: Path | None = None) -> Path:
    """Return the Python of a group's environment, which is made if need be.

    Parameters
    ----------
    group : str
        One of `groups`.
    root : Path or None
        Folder of the environments; `default_root` unless given.

    Returns
    -------
    Path

    Raises
    ------
    UnknownNameError
        Where there is no such group.
    PeerError
        Where it could not be made, as without a network. What was begun starts over next time.

    Notes
    -----
    An environment's folder is named after its lock, so that two versions of a lock do not disturb
    each other; a copy of the lock is written into it last, and another process waits meanwhile.
    """
    python = installed(group, root)
    if python is not None:
        return python
    folder, lock = _places(group, root)
    with _alone(folder):
        if installed(group, root) is None:
            _make(group, folder, lock)
            scratch = folder / f"{LOCK}.part"
            shutil.copyfile(lock, scratch)
            scratch.replace(folder / LOCK)
    return _python(folder)


def _places(group: str, root: Path | None) -> tuple[Path, Path]:
    """Return where the environment is or goes, and its lock."""
    if group not in groups():
        raise UnknownNameError("group of peers", group, groups())
    lock = ADAPTERS / group / LOCK
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:8]
    return ((root or default_root()) / f"{group}-{digest}").absolute(), lock


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time make the environment."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(group: str, folder: Path, lock: Path) -> None:
    print(f"Installing the peers {group!r} into {folder}", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    python = str(_python(folder))
    uv = shutil.which("uv")
    if uv:
        make = [uv, "venv", "--quiet", "--python", sys.executable, str(folder)]
        install = [uv, "pip", "install", "--quiet", "--python", python]
    else:
        make = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
        install = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq"]
        install += ["--python", python, "install"]
    for command in (make, [*install, "--require-hashes", "-r", str(lock)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise PeerError(
                f"the environment of the peers {group!r} could not be made in {folder}; it needs a "
                f"package index once: {said[-1] if said else f'exit code {done.returncode}'}"
            )
