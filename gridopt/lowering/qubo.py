"""Quadratic unconstrained binary optimization, from a program and exactly so.

`to_qubo` reduces the program, puts what is left of its continuous columns on a grid, writes the
columns in bits, each row as a penalty that is 0 exactly where the row holds, and gives each penalty
a weight with a proof (`gridopt.lowering.reduction`, `encoding`, `bits`, `penalties`, `weights`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from collections.abc import Sequence as Listing
from dataclasses import dataclass, field, replace
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from gridopt.arrays import FloatArray, IntArray
from gridopt.display import card
from gridopt.errors import OptionError, PrecisionError, TooLargeError, UnsupportedError
from gridopt.lowering.bits import block_of, to_bits
from gridopt.lowering.encoding import Discretized, Lowering, discretized, on_grid, raise_resolution
from gridopt.lowering.lift import Lift
from gridopt.lowering.penalties import Penalties, Quadratic, penalties_of
from gridopt.lowering.penalty_kernels import summed
from gridopt.lowering.reduction import entries_of, quadratic_after
from gridopt.lowering.run_penalties import run_penalty
from gridopt.lowering.soft import Soft, soft_rows, with_soft
from gridopt.lowering.structure import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Inequality,
    Native,
    Sequence,
    Structure,
)
from gridopt.lowering.treewidth import treewidth
from gridopt.lowering.weights import Objective, components_of, proved_weights
from gridopt.program import Program, ProgramBuilder

__all__ = ["Discretized", "Lowering", "Qubo", "discretized", "to_qubo"]

WIDEST = 24
"""Treewidths above this are not told apart: nothing exact is done with them."""

LEAST_SHARE = 1e-6
"""Of the objective's range: differences below it may be lost in the rounding of penalties."""

MOST_TERMS = 2**31 - 1
"""Products that the penalties of a QUBO are added up of, at most."""

_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Qubo:
    """Minimize z'Qz + offset over bits z.

    Without soft rows, energy − objective of the lifted point is at least 0 for every bit string, up
    to rounding. It is 0 exactly where the bits hold every penalized row and the slack bits fit.

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
        Whether every ground state, of those that keep the structure, lifts to an optimum of the
        discretized program: the weights are certified, and no row is rounded or soft.
    resolution : float or None
        Largest step of a column that was put on a grid; None where there was none.
    n_slack : int
        Number of slack bits; they are the last ones.
    rounded : tuple of str
        Rows whose numbers were rounded.
    labels : sequence of str
        Column of the program, or row for slack bits, that each bit belongs to.
    objective_range : float
        Upper bound on the range of the objective over the bits.
    structure : Structure
        Rules that no penalty stands for: the sampler keeps them.
    soft : tuple of Soft
        Terms that stand for rows without slack, and not exactly.
    """

    Q: sparse.csr_array
    offset: float
    lift: Lift
    penalties: Mapping[str, float]
    exact: bool
    resolution: float | None
    n_slack: int
    rounded: tuple[str, ...]
    labels: Listing[str]
    objective_range: float
    structure: Structure = field(default_factory=Structure)
    soft: tuple[Soft, ...] = ()

    @staticmethod
    def of(
        Q: npt.ArrayLike | sparse.sparray,
        offset: float = 0.0,
        labels: Listing[str] | None = None,
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
        given = sparse.coo_array(Q if sparse.issparse(Q) else np.asarray(Q, dtype=np.float64))
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

    def multipliers_after(self, bits: npt.ArrayLike) -> dict[str, float]:
        """Return the multiplier of each soft row, by its label, that a state, (n,), moves it to."""
        z = np.asarray(bits, dtype=np.float64)
        return {soft.label: soft.multiplier_after(z) for soft in self.soft}

    def _repr_html_(self) -> str:
        return card(f"QUBO of {self.n_bits:,} bits", _facts(self))

    def describe(self) -> dict[str, float | int | str]:
        """Return what makes it easy or hard, as plain values.

        Returns
        -------
        dict
            Size (bits, also by block and by component), couplings and density, the range of the
            coefficients and of the penalties, an upper bound on the treewidth, what one layer of
            QAOA takes, what is exact and what is left to the sampler.
        """
        first, second, value = self.couplings()
        sizes = np.abs(np.concatenate((self.linear, value)))
        sizes = sizes[sizes > 0.0]
        n = self.n_bits
        weight = max(self.penalties.values(), default=0.0)
        part = components_of(n, first, second)
        width = treewidth(n, first, second, WIDEST)
        return {
            "bits": n,
            "slack_bits": self.n_slack,
            "bits_by_block": _by_block(self.labels),
            "couplings": len(value),
            "density": 2.0 * len(value) / (n * (n - 1)) if n > 1 else 0.0,
            "coefficient_range": float(sizes.max() / sizes.min()) if len(sizes) else 1.0,
            "penalty_ratio": weight / self.objective_range if self.objective_range else 0.0,
            "components": int(part.max(initial=-1)) + 1,
            "largest_component": int(np.bincount(part).max(initial=0)),
            "treewidth": f"above {WIDEST}" if width is None else width,
            "qubits": n,
            "two_qubit_gates": len(value),
            "resolution": self.resolution if self.resolution is not None else "none",
            "rounded_rows": len(self.rounded),
            "soft_rows": len(self.soft),
            "native_rules": len(self.structure),
            "exact": int(self.exact),
        }


def _facts(qubo: Qubo) -> Iterator[tuple[str, str]]:
    value = qubo.couplings()[2]
    sizes = np.abs(np.concatenate((qubo.linear, value)))
    sizes = sizes[sizes > 0.0]
    yield "bits", f"{qubo.n_bits:,}, {qubo.n_slack:,} of them slack"
    yield "of", _by_block(qubo.labels)
    yield "couplings", f"{len(value):,}"
    if len(sizes):
        yield "coefficients", f"{sizes.min():.4g} to {sizes.max():.4g}"
    yield "resolution", "none" if qubo.resolution is None else f"{qubo.resolution:g}"
    yield (
        "rows",
        f"{len(qubo.penalties)} blocks penalized, {len(qubo.rounded)} rows rounded, "
        + (f"{len(qubo.soft)} soft, {len(qubo.structure)} rules left to the sampler"),
    )
    yield "exact", "yes" if qubo.exact else "no"


def _by_block(labels: Listing[str]) -> str:
    count = Counter(map(block_of, labels))
    return ", ".join(f"{name} {number}" for name, number in count.items())


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


def to_qubo(
    program: Program,
    lowering: Lowering | None = None,
    native: Set[Native] = frozenset(),
    prices: Mapping[str, float] | None = None,
    factors: Mapping[str, float] | None = None,
) -> Qubo:
    """Return the QUBO of `program`.

    Parameters
    ----------
    program : Program
    lowering : Lowering or None
        Default options where None.
    native : set of str
        Kinds of rules that the sampler keeps by itself: they go into `Qubo.structure`, and no
        penalty stands for them.
    prices : mapping of str to float, optional
        What one unit of a row is worth, by its label: for rows with soft terms.
    factors : mapping of str to float, optional
        Factors on the weights of row blocks that are known to suffice: see
        `gridopt.sampling.tightening`.

    Returns
    -------
    Qubo
        Its ground states, of those that keep its structure, lift to the optima of
        ``discretized(program, lowering)`` where it is `exact`.

    Raises
    ------
    ResolutionError
        Where rounding is off and the resolution does not divide the range of a column, or the
        numbers of a row that needs a square or a slack; names all of them.
    UnsupportedError
        Where a column has no finite bounds and the rows imply none, or the objective has x²/y.
    OptionError
        Where an encoding is for a block that the program does not have.
    TooLargeError
        Where it would have too many bits, or products, for any memory.
    PrecisionError
        Where weights are so large that the objective is lost beside them in double precision.
    """
    options = lowering or Lowering()
    _check_program(program, options)
    return _Lowered(program, options, native, prices or {}).qubo(factors or {})


@cache
def load_loops() -> None:
    """Load the compiled loops of `to_qubo`, so that no clock sees it.

    The first call on a machine compiles them, which takes some seconds; the first one of a process
    loads them, which takes some tenths.
    """
    b = ProgramBuilder()
    x = b.binary("x", (3,))
    b.minimize(1.0, x)
    b.constrain("row", (1.0, x[np.newaxis]), equal=np.array([2.0]))
    to_qubo(b.program())


class _Lowered:
    """A program on its grid, in bits, and what each of its rows has become."""

    def __init__(
        self,
        program: Program,
        options: Lowering,
        native: Set[Native],
        prices: Mapping[str, float],
    ) -> None:
        self.program, self.options, self.native = program, options, native
        self.grid = on_grid(program, options)
        chosen = np.zeros(0, dtype=np.int64)
        if program.sequences is not None:
            chosen = program.sequences.columns.ravel()
        self.bits = to_bits(
            self.grid, options, _kept_columns(self.grid.lift, chosen), "cardinality" in native
        )
        self.sequences = list(_sequences(program, self.bits.lift))
        split = penalties_of(
            self.bits.rows,
            self.bits.lift.n_in,
            self.bits.edges,
            rounding=options.rounds,
            fallback=options.resolution,
            leave_inequality=options.inequality_form != "slack" or "inequality" in native,
            leave_equality=options.inequality_form == "augmented_lagrangian",
        )
        if not options.rounds:
            raise_resolution(options, self.grid.faults, split.faults)
        self.rounded = (*self.grid.rounded, *split.rounded)
        self.penalties = split.penalties.with_quadratics(list(self._run_penalties()))
        kept = [row for row in split.left if "inequality" in native and row.lower != row.upper]
        self.inequalities = [Inequality(row.bits, row.values, row.lower, row.upper) for row in kept]
        self.soft = soft_rows(
            [row for row in split.left if "inequality" not in native or row.lower == row.upper],
            self.objective,
            prices,
            adapts=options.inequality_form == "augmented_lagrangian",
        )

    @cached_property
    def objective(self) -> Objective:
        return objective_over(self.program, self.bits.lift)

    def qubo(self, factors: Mapping[str, float]) -> Qubo:
        """Return the QUBO with proved weights, times the factors of their blocks."""
        objective = with_soft(self.objective, self.soft)
        structure = Structure(
            self.bits.cardinalities,
            tuple(self.sequences) if "sequence" in self.native else (),
            tuple(self.inequalities),
        )
        known = self.options.upper_bound
        proved = proved_weights(
            objective,
            self.penalties,
            np.inf if known is None or self.grid.resolution is not None else known,
            structure,
        )
        blocks = self.penalties.blocks
        factor = np.array([factors.get(block, 1.0) for block in blocks] or [1.0])
        with np.errstate(over="ignore"):
            weights = self.options.penalty * factor[self.penalties.block] * proved
        if not np.isfinite(weights).all():
            raise PrecisionError(_precision_message(self.penalties, "overflow double precision"))
        heaviest = np.zeros(len(blocks))
        np.maximum.at(heaviest, self.penalties.block, weights)
        with np.errstate(over="ignore", invalid="ignore"):
            Q, offset = _assembled(objective, self.penalties, weights)
        slack = np.repeat(self.penalties.block, self.penalties.n_slack)
        named = [f"slack of {block}" for block in blocks]
        found = Qubo(
            Q=Q,
            offset=offset,
            lift=self.bits.lift.widened(len(slack)),
            penalties={
                name: float(weight)
                for name, weight in zip(blocks, heaviest, strict=True)
                if weight > 0.0
            },
            exact=self.options.penalty >= 1.0 and not self.rounded and not self.soft,
            resolution=self.grid.resolution,
            n_slack=len(slack),
            rounded=self.rounded,
            labels=replace(self.bits.labels, more=tuple(map(named.__getitem__, slack.tolist()))),
            objective_range=objective.span,
            structure=structure,
            soft=tuple(self.soft),
        )
        _check_precision(found, self.penalties)
        return found

    def _run_penalties(self) -> Iterator[Quadratic]:
        if self.program.sequences is None or "sequence" in self.native:
            return
        name = " and ".join(self.program.sequences.rows)
        for sequence in self.sequences:
            penalty = run_penalty(sequence, name)
            if penalty is not None:
                yield penalty


def _check_program(program: Program, options: Lowering) -> None:
    if len(program.ratios):
        raise UnsupportedError("a QUBO cannot hold x²/y: lower the program that this is made of")
    if isinstance(options.encoding, Mapping):
        unknown = sorted(set(options.encoding) - set(program.variables))
        if unknown:
            expected = f"blocks of the program: {', '.join(program.variables)}"
            raise OptionError("Lowering", "encoding", ", ".join(unknown), expected)


def _check_precision(qubo: Qubo, penalties: Penalties) -> None:
    """Stop where rounding the largest coefficient loses differences of the objective."""
    sizes = np.abs(qubo.Q.data)
    if not np.isfinite(sizes).all() or not np.isfinite(qubo.offset):
        raise PrecisionError(_precision_message(penalties, "overflow double precision"))
    if float(sizes.max(initial=0.0)) * _EPSILON > LEAST_SHARE * qubo.objective_range > 0.0:
        what = "hide the objective in double precision"
        raise PrecisionError(_precision_message(penalties, what))


def _precision_message(penalties: Penalties, what: str) -> str:
    blocks = [penalties.blocks[k] for k in np.unique(penalties.block)]
    named = ", ".join(blocks[:5]) + (f" and {len(blocks) - 5} more" if len(blocks) > 5 else "")
    return (
        f"the penalties of {named} {what}: take a coarser resolution, fewer levels, "
        "form = 'compact', inequalities = 'unbalanced', or a lower penalty"
    )


def _kept_columns(lift: Lift, columns: IntArray) -> list[int]:
    """Return the variables before a lift that stand for some columns after it."""
    part = sparse.csr_array(lift.matrix[columns, :])
    return sorted(set(part.indices.tolist()))


def _sequences(program: Program, lift: Lift) -> Iterator[Sequence]:
    """Yield the program's sequences over bits; a column without a bit is constant."""
    if program.sequences is None:
        return
    runs = program.sequences
    for columns, on, off, before in zip(
        runs.columns, runs.min_on, runs.min_off, runs.before, strict=True
    ):
        part = sparse.csr_array(lift.matrix[columns, :])
        bits = np.where(lift.shift[columns] > 0.5, ALWAYS_ON, ALWAYS_OFF).astype(np.int64)
        has_bit = np.diff(part.indptr) == 1
        bits[has_bit] = part.indices
        yield Sequence(bits, int(on), int(off), int(before))


def objective_over(program: Program, lift: Lift) -> Objective:
    """Return the objective of `program` at lift(z) as a quadratic of the bits z."""
    M, shift = lift.matrix, lift.shift
    on_shift = np.asarray(program.Q @ shift)
    linear = np.asarray(M.T @ (program.c + 2.0 * on_shift))
    entries = entries_of(quadratic_after(program.Q, M))
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


def _assembled(
    objective: Objective, penalties: Penalties, weights: FloatArray
) -> tuple[sparse.csr_array, float]:
    """Return the sum of the objective and the weighted penalties, as Q and offset."""
    n_main, n_own = penalties.n_bits, penalties.n_bits + len(objective.value)
    n, space = n_main + int(penalties.n_slack.sum()), n_own + penalties.n_terms
    if space > MOST_TERMS:
        raise TooLargeError(
            f"this QUBO is the sum of up to {space:.3g} products, {space * 16 / 2**30:.0f} GiB: "
            "take fewer units or hours, a coarser resolution, fewer levels, or form = 'compact'"
        )
    first, second = np.empty(space, dtype=np.int32), np.empty(space, dtype=np.int32)
    value = np.empty(space)
    first[:n_main] = second[:n_main] = np.arange(n_main)
    value[:n_main] = objective.linear
    first[n_main:n_own], second[n_main:n_own] = objective.first, objective.second
    value[n_main:n_own] = objective.value
    used, constant = penalties.write_terms(weights, n_own, first, second, value)
    start, column, total = summed(first[:used], second[:used], value[:used], n)
    Q = sparse.csr_array((total, column, start), shape=(n, n))
    return Q, objective.constant + constant
