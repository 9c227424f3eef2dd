"""D-Wave's quantum annealers, by minor-embedding the QUBO into the chip."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, final

import dimod
import minorminer
import numpy as np
from dwave.cloud.config import load_config
from dwave.cloud.config.exceptions import ConfigFileError
from dwave.cloud.exceptions import ProblemUploadError
from dwave.samplers import SimulatedAnnealingSampler
from dwave.system import DWaveSampler, FixedEmbeddingComposite
from dwave.system.testing import MockDWaveSampler

from gridopt.errors import TooLargeError, UnsupportedError
from gridopt.exports.dimod_models import to_bqm
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.effort import scaled
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import QuboSolver, check_fits, check_qubo_options, check_whole
from gridopt.sampling.reads import seed_of
from gridopt.sampling.samples import Deadline, Samples
from gridopt.solver import check_option, is_number

MOST_BITS = 5_000

READS_PER_CALL = 1000

MOST_COUPLINGS = 40_000
"""The chips have no more couplers than that."""

EMBEDDING_S_PER_COUPLING = 8e-4
"""Seconds before the search for an embedding looks at the clock, for each coupling."""

EMBEDDING_SHARE = 0.8
"""Part of the time left that the search for an embedding may use."""

SHAPES: Mapping[str, list[int]] = {"pegasus": [16], "zephyr": [12, 4]}
"""Sizes of the chips of Advantage and Advantage2."""


@final
@dataclass(frozen=True)
class DWave(QuboSolver):
    """Quantum annealing on D-Wave's hardware.

    Each bit becomes a chain of coupled qubits (minor-embedding, Cai, Macready & Roy 2014,
    arXiv:1406.2741), found anew for each QUBO; where a chain breaks, the majority counts.

    Parameters
    ----------
    reads : int
    annealing_time_us : float or None
        Microseconds of one read; None for the chip's own.
    chain_strength : float or None
        Coupling within chains, in units of the QUBO's median coefficient; None for the
        torque compensation of dwave-system.
    solver_name : str or None
        Which chip; None for the one that the configuration names, or else any.
    topology : {"pegasus", "zephyr"} or None
        Kind of chip to ask for; None for any, and for pegasus as the mock.
    mock : bool
        Simulated annealing in place of the chip, on the couplers of an ideal one: the embedding is
        real, the physics is not. Needs no token and no network.
    seed : int
        Of the embedding, and of the mock; a chip knows no seeds.
    time_limit_s : float or None
    lowering : Lowering
    judging : Judging
    """

    reads: int = 100
    annealing_time_us: float | None = None
    chain_strength: float | None = None
    solver_name: str | None = None
    topology: Literal["pegasus", "zephyr"] | None = None
    mock: bool = False
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=Lowering)
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "quantum annealing"
    limits: ClassVar[str] = "some 150 dense bits, thousands of sparse ones; needs a D-Wave token"
    package: ClassVar[str] = "dwave-system"

    def __post_init__(self) -> None:
        check_whole("dwave", "reads", self.reads, 1, 10**6)
        for option in ("annealing_time_us", "chain_strength"):
            value = getattr(self, option)
            right = value is None or (is_number(value) and 0 < value < 1e9)
            check_option("dwave", option, value, right, "more than 0, or none")
        right = self.solver_name is None or isinstance(self.solver_name, str)
        check_option("dwave", "solver_name", self.solver_name, right, "a name, or none")
        right = self.topology is None or self.topology in SHAPES
        check_option("dwave", "topology", self.topology, right, f"{' or '.join(SHAPES)}, or none")
        check_option("dwave", "mock", self.mock, isinstance(self.mock, bool), "true or false")
        check_qubo_options("dwave", self.seed, self.time_limit_s, self.lowering, self.judging)

    def check_ready(self) -> None:
        """Raise `UnsupportedError` without a token."""
        if not self.mock:
            check_token("dwave")

    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` for what no chip can hold."""
        check_fits("dwave", qubo, MOST_BITS)
        n_couplings = len(qubo.couplings()[2])
        least_s = EMBEDDING_S_PER_COUPLING * n_couplings
        if n_couplings > MOST_COUPLINGS:
            raise TooLargeError(
                f"dwave takes up to {MOST_COUPLINGS} couplings, this has {n_couplings}: take a "
                "window of fewer hours or units, or the solver neal"
            )
        if self.time_limit_s is not None and least_s > self.time_limit_s:
            raise TooLargeError(
                f"dwave may take {least_s:.0f} s to embed {n_couplings} couplings before it looks "
                f"at the clock: set time_limit_s to {2.0 * least_s:.0f} or more, or take a window "
                "of fewer hours or units"
            )

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:
        """Embed, then yield the reads in batches of one call each."""
        chip = self._chip()
        model = to_bqm(scaled(qubo)).change_vartype(dimod.SPIN)
        chains = self._chains(qubo, chip, deadline)
        sampler: Any = FixedEmbeddingComposite(chip, chains)
        lengths = [len(chain) for chain in chains.values()]
        breaks = 0.0
        for first in range(0, self.reads, READS_PER_CALL):
            n = min(READS_PER_CALL, self.reads - first)
            found = self._call(sampler, model, first, n)
            breaks += float(
                np.sum(found.record.chain_break_fraction * found.record.num_occurrences)
            )
            spins, labels = dimod.as_samples(found)
            record: dict[str, float | int | str] = {
                "chip": str(chip.properties["chip_id"]),
                "qubits": sum(lengths),
                "longest_chain": max(lengths),
                "chain_breaks": breaks / (first + n),
            }
            bits = np.repeat(spins[:, np.argsort(labels)] > 0, found.record.num_occurrences, axis=0)
            yield Samples.of(qubo, bits, record)

    def _chip(self) -> Any:
        if self.mock:
            kind = self.topology or "pegasus"
            annealing: Any = SimulatedAnnealingSampler
            return MockDWaveSampler(
                topology_type=kind,
                topology_shape=SHAPES[kind],
                parameter_warnings=False,
                substitute_sampler=annealing(),
            )
        wanted: dict[str, Any] = {}
        if self.solver_name is not None:
            wanted["name"] = self.solver_name
        if self.topology is not None:
            wanted["topology__type"] = self.topology
        with told("dwave", "choosing a chip"):
            return DWaveSampler(solver=wanted) if wanted else DWaveSampler()

    def _chains(self, qubo: Qubo, chip: Any, deadline: Deadline) -> dict[int, tuple[int, ...]]:
        first, second, _ = qubo.couplings()
        edges = list(zip(first.tolist(), second.tolist(), strict=True))
        edges += [(bit, bit) for bit in range(qubo.n_bits)]  # those with no couplings as well
        limit_s = EMBEDDING_SHARE * deadline.left_s
        given = {"timeout": max(limit_s, 0.1)} if np.isfinite(limit_s) else {}
        chains: dict[int, tuple[int, ...]] = minorminer.find_embedding(
            edges, chip.edgelist, random_seed=self.seed, **given
        )
        if not chains:
            raise TooLargeError(
                f"dwave found no embedding of {qubo.n_bits} bits with {len(first)} couplings into "
                f"{len(chip.nodelist)} qubits: take a window of fewer hours or units, a coarser "
                "resolution, a longer time limit, or the solver neal or anneal"
            )
        return chains

    def _call(self, sampler: Any, model: Any, first: int, n: int) -> Any:
        given: dict[str, Any] = {"num_reads": n, "chain_break_fraction": True}
        if self.chain_strength is not None:
            given["chain_strength"] = self.chain_strength
        if self.annealing_time_us is not None:
            given["annealing_time"] = self.annealing_time_us
        if self.mock:
            sampler.child.substitute_kwargs = {"seed": seed_of(self.seed, first)}
        with told("dwave", "sampling"):
            found = sampler.sample(model, **given)
            found.resolve()
        return found


def check_token(owner: str) -> None:
    """Raise `UnsupportedError` where D-Wave's configuration holds no token; nothing is sent."""
    with told(owner, "reading the configuration"):
        if os.environ.get("DWAVE_API_TOKEN") or load_config().get("token"):
            return
    raise UnsupportedError(
        f"{owner} needs a token of D-Wave's Leap service, and there is none: set the environment "
        "variable DWAVE_API_TOKEN, or run  dwave config create  once; mock=True tries it without"
    )


@contextmanager
def told(owner: str, doing: str) -> Iterator[None]:
    """Turn what D-Wave's client raises into `UnsupportedError`, with its reason."""
    try:
        yield
    except (OSError, ValueError, ConfigFileError, ProblemUploadError) as fault:
        raise UnsupportedError(
            f"{owner}: {doing} failed: {type(fault).__name__}: {fault}; check the token, the "
            "network and the options"
        ) from fault
