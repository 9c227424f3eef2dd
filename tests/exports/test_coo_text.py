"""QUBOs as text and back, exactly; faults of a file all at once."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import dimod
import numpy as np
import pytest
from dimod.serialization import coo
from hypothesis import given, settings
from hypothesis import strategies as st

from gridopt.errors import StudyError
from gridopt.exports.coo_text import read_coo, write_coo
from gridopt.exports.dimod_models import to_bqm
from gridopt.lowering.qubo import Qubo

NUMBERS = st.floats(-1e300, 1e300, allow_subnormal=False)

SQUARES = st.integers(1, 4).flatmap(lambda n: st.lists(NUMBERS, min_size=n * n, max_size=n * n))


def states(n: int) -> np.typing.NDArray[np.int64]:
    return np.array(list(product((0, 1), repeat=n))).reshape(-1, n)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(SQUARES, NUMBERS)
def test_numbers_come_back_exactly(values: list[float], offset: float) -> None:
    n = round(len(values) ** 0.5)
    qubo = Qubo.of(np.triu(np.array(values).reshape(n, n)), offset)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "q.coo"
        write_coo(qubo, file)
        back = read_coo(file)
    assert back.n_bits == n
    assert back.offset == offset
    np.testing.assert_array_equal(back.Q.toarray(), qubo.Q.toarray())


def test_bits_without_coefficients_are_kept(tmp_path: Path) -> None:
    write_coo(Qubo.of(np.zeros((3, 3))), tmp_path / "q.coo")
    assert read_coo(tmp_path / "q.coo").n_bits == 3


def test_dimod_reads_ours(tmp_path: Path) -> None:
    qubo = Qubo.of([[1e-7, -2.5, 3e9], [0.0, 1.0 / 3.0, 0.0], [0.0, 0.0, -4.0]])
    write_coo(qubo, tmp_path / "q.coo")
    with (tmp_path / "q.coo").open() as file:
        assert coo.load(file) == to_bqm(qubo)


@pytest.mark.parametrize("header", [True, False])
def test_dimods_are_read(tmp_path: Path, header: bool) -> None:
    model = dimod.BinaryQuadraticModel.from_qubo({(0, 0): 1.5, (0, 2): -2.0, (1, 2): 0.25})
    (tmp_path / "q.coo").write_text(coo.dumps(model, vartype_header=header))
    z = states(3)
    np.testing.assert_array_equal(read_coo(tmp_path / "q.coo").energy(z), model.energies(z))


def test_spins_become_bits(tmp_path: Path) -> None:
    model = dimod.BinaryQuadraticModel.from_ising({0: 1.5, 1: -0.5}, {(0, 2): -2.0, (2, 1): 0.25})
    text = coo.dumps(model, vartype_header=True)
    (tmp_path / "q.coo").write_text(f"{text}\n# offset=10.0\n")
    z = states(3)
    expected = model.energies(2 * z - 1) + 10.0
    np.testing.assert_allclose(read_coo(tmp_path / "q.coo").energy(z), expected, rtol=1e-12)


def test_all_faults_are_told_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "bad.coo"
    file.write_text(
        "# vartype=QUTRIT\n# bits=3\n# offset=nan\n# a remark\n0 1 2.0\n0 five 1.0\n"
        "0 3 1.0\n1 1 inf\n\n1 2\n-1 0 4.0\n"
    )
    with pytest.raises(StudyError) as caught:
        read_coo(file)
    lines = sorted(issue.element for issue in caught.value.issues)
    assert lines == sorted(f"bad.coo, line {k}" for k in (1, 3, 6, 7, 8, 10, 11))
    assert "bits = (0, 3), expected less than 3, as line 2 says" in str(caught.value)
    with pytest.raises(StudyError, match=r"none\.coo"):
        read_coo(tmp_path / "none.coo")
