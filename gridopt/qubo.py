"""Quadratic unconstrained binary optimization, from a program and exactly so.

`to_qubo` reduces the program, puts what is left of its continuous columns on a grid, writes the
columns in bits, each row as a penalty that is 0 exactly where the row holds, and gives each penalty
a weight with a proof (`gridopt.reduction`, `encoding`, `bits`, `penalties`, `weights`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from gridopt.arrays import FloatArray, IntArray
from gridopt.bits import Bits, to_bits
from gridopt.encoding import Discretized, Lowering, discretized, on_grid, raise_resolution
from gridopt.lift import Lift
from gridopt.penalties import Penalty, UnitError, Units, penalties_of, polynomial
from gridopt.program import Program, ProgramBuilder
from gridopt.reduction import entries_of
from gridopt.structure import Structure
from gridopt.weights import Objective, proved_weights

__all__ = ["Discretized", "Lowering", "Qubo", "discretized", "to_qubo"]


@dataclass(frozen=True, eq=False)
class Qubo:
    """Minimize z'Qz + offset over bits z.

    For every bit string, energy − objective of the lifted point is at least 0 (up to rounding), and
    it is 0 exactly where the bits hold every row and the slack bits fit.

    Parameters
    ----------
    Q : scipy.sparse.csr_array, (n, n)
        Upper triangular; the linear terms are on the diagonal, since z² = z.
    offset : float
    lift : Lift
        From the bits, slack bits among them, to the columns of the program.
    penalties : mapping of str to float
        Row block to the largest weight of its penalties.
    exact : bool
        Whether every ground state lifts to an optimum of the discretized program: the weights are
        the proved ones or more, and no row was rounded.
    resolution : float or None
        Largest step of a column that was put on a grid; None where there was none.
    n_slack : int
        Number of slack bits; they are the last ones.
    rounded : tuple of str
        Rows whose numbers were rounded.
    labels : tuple of str
        Column of the program, or row for slack bits, that each bit belongs to.
    objective_range : float
        Upper bound on the range of the objective over the bits.
    structure : Structure
        Rules that no penalty stands for: the sampler keeps them.
    """

    Q: sparse.csr_array
    offset: float
    lift: Lift
    penalties: Mapping[str, float]
    exact: bool
    resolution: float | None
    n_slack: int
    rounded: tuple[str, ...]
    labels: tuple[str, ...]
    objective_range: float
    structure: Structure = field(default_factory=Structure)

    @staticmethod
    def of(
        Q: npt.ArrayLike | sparse.sparray,
        offset: float = 0.0,
        labels: Sequence[str] | None = None,
    ) -> Qubo:
        """Return z'Qz + offset, which comes from no program, as a QUBO of its own bits.

        Parameters
        ----------
        Q : array or scipy.sparse array, (n, n)
            Of any form; entries below the diagonal are added to those above.
        offset : float
        labels : sequence of str or None
            Names of the bits; ``z[0]``, ``z[1]``, … where None.

        Raises
        ------
        ValueError
            Where `Q` is not square or the labels are not n.
        """
        given: sparse.coo_array = sparse.coo_array(Q)  # type: ignore[arg-type]
        n = given.shape[0]
        if given.shape != (n, n) or (labels is not None and len(labels) != n):
            raise ValueError(
                f"Q of shape {given.shape} and {n if labels is None else len(labels)} labels make "
                "no QUBO; expected a square Q and as many labels as rows"
            )
        row, column = (np.asarray(place, dtype=np.int64) for place in given.coords)
        place = np.minimum(row, column), np.maximum(row, column)
        value = np.asarray(given.data, dtype=np.float64)
        matrix = sparse.csr_array(sparse.coo_array((value, place), shape=(n, n)))
        matrix.eliminate_zeros()
        return Qubo(
            Q=matrix,
            offset=float(offset),
            lift=Lift.identity(n),
            penalties={},
            exact=True,
            resolution=None,
            n_slack=0,
            rounded=(),
            labels=tuple(labels) if labels is not None else tuple(f"z[{k}]" for k in range(n)),
            objective_range=float(np.abs(matrix.data).sum()),
        )

    def program(self) -> Program:
        """Return the program over the bits that this QUBO minimizes, without a row.

        Any solver takes it; `to_qubo` of it is this QUBO again.
        """
        b = ProgramBuilder()
        z = b.binary("z", (self.n_bits,))
        first, second, value = self.couplings()
        b.minimize(self.linear, z)
        b.minimize_product(value, z[first], z[second])
        b.minimize_constant(self.offset)
        return b.program()

    @property
    def n_bits(self) -> int:
        """Number of bits, slack bits among them."""
        return int(self.Q.shape[0])

    @property
    def linear(self) -> FloatArray:
        """Linear coefficients, (n,)."""
        return np.asarray(self.Q.diagonal(), dtype=np.float64)

    def couplings(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Return first, second and value of every product z_first · z_second, first < second."""
        entries = entries_of(self.Q)
        kept = entries.row < entries.column
        return entries.row[kept], entries.column[kept], entries.value[kept]

    def energy(self, bits: npt.ArrayLike) -> FloatArray:
        """Return z'Qz + offset of one bit string, (n,) to (), or of many, (R, n) to (R,)."""
        z = np.asarray(bits, dtype=np.float64)
        return np.asarray(((self.Q.T @ z.T).T * z).sum(axis=-1) + self.offset)

    def spectrum(self) -> FloatArray:
        """Return the energies of all bit strings, (2ⁿ,); bit k of the place is z_k.

        Takes 8 · 2ⁿ bytes; meant for up to some 26 bits.
        """
        return spectrum(self.Q.toarray()) + self.offset

    def describe(self) -> dict[str, float | int | str]:
        """Return what makes it easy or hard: size, density, range of coefficients, penalties."""
        *_, value = self.couplings()
        sizes = np.abs(np.concatenate((self.linear, value)))
        sizes = sizes[sizes > 0.0]
        n = self.n_bits
        weight = max(self.penalties.values(), default=0.0)
        return {
            "bits": n,
            "slack_bits": self.n_slack,
            "couplings": len(value),
            "density": 2.0 * len(value) / (n * (n - 1)) if n > 1 else 0.0,
            "coefficient_range": float(sizes.max() / sizes.min()) if len(sizes) else 1.0,
            "penalty_ratio": weight / self.objective_range if self.objective_range else 0.0,
            "resolution": self.resolution if self.resolution is not None else "none",
            "rounded_rows": len(self.rounded),
            "exact": int(self.exact),
        }


def spectrum(dense: FloatArray) -> FloatArray:
    """Return z'Qz of all bit strings of an upper triangular Q, (n, n) to (2ⁿ,), by doubling.

    Bit k of the place is z_k: switching bit k on adds Q_kk + Σ_{i<k} Q_ik z_i to each state below.
    """
    n = len(dense)
    energies = np.zeros(1 << n)
    slopes = np.zeros(1 << max(n - 1, 0))
    for k in range(n):
        slopes[0] = dense[k, k]
        for i in range(k):
            half = 1 << i
            np.add(slopes[:half], dense[i, k], out=slopes[half : 2 * half])
        block = 1 << k
        np.add(energies[:block], slopes[:block], out=energies[block : 2 * block])
    return energies


def to_qubo(program: Program, lowering: Lowering | None = None) -> Qubo:
    """Return the QUBO of `program`.

    Parameters
    ----------
    program : Program
    lowering : Lowering or None
        Default options where None.

    Returns
    -------
    Qubo
        Its ground states lift to the optima of ``discretized(program, lowering)`` where it is
        `exact`.

    Raises
    ------
    ResolutionError
        Where rounding is off and the resolution does not divide the range of a column, or the
        numbers of a row that needs a square or a slack; names all of them.
    UnsupportedError
        Where a column has no finite bounds and the rows imply none.
    """
    options = lowering or Lowering()
    grid = on_grid(program, options)
    bits = to_bits(grid)
    penalties, rounded = _penalties(bits, grid, options)
    objective = objective_over(program, bits.lift)
    weights = options.penalty * proved_weights(objective, penalties)
    blocks = {row.block: 0.0 for row in bits.rows}
    for penalty, weight in zip(penalties, weights, strict=True):
        blocks[penalty.block] = max(blocks[penalty.block], float(weight))
    assembled = _assembled(objective, penalties, weights, bits)
    return replace(
        assembled,
        penalties={name: weight for name, weight in blocks.items() if weight},
        exact=options.penalty >= 1.0 and not rounded,
        resolution=grid.resolution,
        rounded=rounded,
    )


def objective_over(program: Program, lift: Lift) -> Objective:
    """Return the objective of `program` at lift(z) as a quadratic of the bits z."""
    M, shift = lift.matrix, lift.shift
    on_shift = np.asarray(program.Q @ shift)
    linear = np.asarray(M.T @ (program.c + 2.0 * on_shift))
    entries = entries_of(sparse.csr_array(M.T @ program.Q @ M))
    own = entries.row == entries.column
    np.add.at(linear, entries.row[own], entries.value[own])
    above = entries.row < entries.column
    return Objective(
        constant=program.c0 + float(program.c @ shift + shift @ on_shift),
        linear=linear,
        first=entries.row[above],
        second=entries.column[above],
        value=2.0 * entries.value[above],
    )


def _penalties(
    bits: Bits, grid: Discretized, options: Lowering
) -> tuple[list[Penalty], tuple[str, ...]]:
    """Return the penalties, each conflict once, and the labels of the rounded rows."""
    units = Units(rounding=options.rounds, fallback=options.resolution)
    found: dict[object, Penalty] = {}
    rounded, faults = list(grid.rounded), []
    for row in bits.rows:
        try:
            penalties, is_rounded = penalties_of(row, bits.edges, units)
        except UnitError as fault:
            faults.append(f"{row.label} ({fault})")
            continue
        rounded += [row.label] * is_rounded
        for penalty in penalties:
            key = penalty.literals if penalty.kind == "conflict" else len(found)
            found.setdefault(key, penalty)
    if not options.rounds:
        raise_resolution(options, grid.faults, faults)
    return list(found.values()), tuple(rounded)


def _assembled(
    objective: Objective, penalties: Sequence[Penalty], weights: FloatArray, bits: Bits
) -> Qubo:
    n_main = len(objective.linear)
    slack = [penalty.block for penalty in penalties for _ in penalty.slack]
    n = n_main + len(slack)
    diagonal = np.arange(n_main)
    first, second = [diagonal, objective.first], [diagonal, objective.second]
    value = [objective.linear, objective.value]
    offset, place = objective.constant, n_main
    for penalty, weight in zip(penalties, weights, strict=True):
        own = np.arange(place, place + len(penalty.slack))
        place += len(own)
        constant, i, j, terms = polynomial(penalty, own)
        offset += float(weight) * constant
        first.append(np.minimum(i, j))
        second.append(np.maximum(i, j))
        value.append(float(weight) * terms)
    matrix = sparse.coo_array(
        (np.concatenate(value), (np.concatenate(first), np.concatenate(second))), shape=(n, n)
    ).tocsr()
    matrix.eliminate_zeros()
    main = Lift.columns(n, np.arange(n_main)).matrix.T
    return Qubo(
        Q=sparse.csr_array(matrix),
        offset=offset,
        lift=Lift(sparse.csr_array(bits.lift.matrix @ main), bits.lift.shift),
        penalties={},
        exact=False,
        resolution=None,
        n_slack=len(slack),
        rounded=(),
        labels=(*bits.labels, *(f"slack of {name}" for name in slack)),
        objective_range=objective.span,
    )
