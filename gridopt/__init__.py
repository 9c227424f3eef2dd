"""Unit commitment and battery placement on real grids, every answer verified.

Every public name is loaded when it is first used, so that ``import gridopt`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gridopt.plots as plots
    from gridopt.ac_power_flow import power_flow
    from gridopt.ac_sites import ACSites
    from gridopt.circuits.pauli_operator import from_sparse_pauli_op, to_sparse_pauli_op
    from gridopt.days import representative_days
    from gridopt.errors import GridoptError, StudyError
    from gridopt.exports.coo_text import read_coo, write_coo
    from gridopt.exports.dimod_models import from_bqm, from_cqm, to_bqm, to_cqm
    from gridopt.grid import Grid
    from gridopt.io.battery_modules import read_modules
    from gridopt.io.cases import load_case
    from gridopt.io.pandapower_net import read_pandapower
    from gridopt.io.pglib_uc import read_pglib_uc
    from gridopt.io.plan_files import read_plan, write_plan
    from gridopt.io.profiles import read_profiles
    from gridopt.io.rts_gmlc import read_rts_gmlc
    from gridopt.io.shipped import kazarlis
    from gridopt.io.simbench_net import read_simbench
    from gridopt.io.unit_table import read_units
    from gridopt.io.unitcommitment_jl import read_unitcommitment_jl
    from gridopt.io.write_dispatch import write_dispatch
    from gridopt.lowering.qubo import Lowering, Qubo, to_qubo
    from gridopt.placement import Placement
    from gridopt.placing import place
    from gridopt.price_table import Prices
    from gridopt.pricing import prices
    from gridopt.program import Program, ProgramBuilder
    from gridopt.program_files import write_program
    from gridopt.results import Schedule, Violation
    from gridopt.running import Run, solve
    from gridopt.simulation import Simulation, simulate
    from gridopt.siting import with_sites
    from gridopt.solution import Solution, Termination
    from gridopt.solver import Solver
    from gridopt.solvers.qiskit_optimization import from_quadratic_program, to_quadratic_program
    from gridopt.study import Study
    from gridopt.verification import verify
    from gridopt.windows import window

__version__: str

__all__ = [
    "ACSites",
    "Grid",
    "GridoptError",
    "Lowering",
    "Placement",
    "Prices",
    "Program",
    "ProgramBuilder",
    "Qubo",
    "Run",
    "Schedule",
    "Simulation",
    "Solution",
    "Solver",
    "Study",
    "StudyError",
    "Termination",
    "Violation",
    "from_bqm",
    "from_cqm",
    "from_quadratic_program",
    "from_sparse_pauli_op",
    "kazarlis",
    "load_case",
    "place",
    "plots",
    "power_flow",
    "prices",
    "read_coo",
    "read_modules",
    "read_pandapower",
    "read_pglib_uc",
    "read_plan",
    "read_profiles",
    "read_rts_gmlc",
    "read_simbench",
    "read_unitcommitment_jl",
    "read_units",
    "representative_days",
    "simulate",
    "solve",
    "to_bqm",
    "to_cqm",
    "to_quadratic_program",
    "to_qubo",
    "to_sparse_pauli_op",
    "verify",
    "window",
    "with_sites",
    "write_coo",
    "write_dispatch",
    "write_plan",
    "write_program",
]

# Where each public name lives. None but `plots` may be the name of a module of the package too:
# importing that module would bind it here and hide the function.
_HOME = {
    "ACSites": "gridopt.ac_sites",
    "Grid": "gridopt.grid",
    "GridoptError": "gridopt.errors",
    "Lowering": "gridopt.lowering.qubo",
    "Placement": "gridopt.placement",
    "Prices": "gridopt.price_table",
    "Program": "gridopt.program",
    "ProgramBuilder": "gridopt.program",
    "Qubo": "gridopt.lowering.qubo",
    "Run": "gridopt.running",
    "Schedule": "gridopt.results",
    "Simulation": "gridopt.simulation",
    "Solution": "gridopt.solution",
    "Solver": "gridopt.solver",
    "Study": "gridopt.study",
    "StudyError": "gridopt.errors",
    "Termination": "gridopt.solution",
    "Violation": "gridopt.results",
    "from_bqm": "gridopt.exports.dimod_models",
    "from_cqm": "gridopt.exports.dimod_models",
    "from_quadratic_program": "gridopt.solvers.qiskit_optimization",
    "from_sparse_pauli_op": "gridopt.circuits.pauli_operator",
    "kazarlis": "gridopt.io.shipped",
    "load_case": "gridopt.io.cases",
    "place": "gridopt.placing",
    "power_flow": "gridopt.ac_power_flow",
    "prices": "gridopt.pricing",
    "read_coo": "gridopt.exports.coo_text",
    "read_modules": "gridopt.io.battery_modules",
    "read_pandapower": "gridopt.io.pandapower_net",
    "read_pglib_uc": "gridopt.io.pglib_uc",
    "read_plan": "gridopt.io.plan_files",
    "read_profiles": "gridopt.io.profiles",
    "read_rts_gmlc": "gridopt.io.rts_gmlc",
    "read_simbench": "gridopt.io.simbench_net",
    "read_unitcommitment_jl": "gridopt.io.unitcommitment_jl",
    "read_units": "gridopt.io.unit_table",
    "representative_days": "gridopt.days",
    "simulate": "gridopt.simulation",
    "solve": "gridopt.running",
    "to_bqm": "gridopt.exports.dimod_models",
    "to_cqm": "gridopt.exports.dimod_models",
    "to_quadratic_program": "gridopt.solvers.qiskit_optimization",
    "to_qubo": "gridopt.lowering.qubo",
    "to_sparse_pauli_op": "gridopt.circuits.pauli_operator",
    "verify": "gridopt.verification",
    "window": "gridopt.windows",
    "with_sites": "gridopt.siting",
    "write_coo": "gridopt.exports.coo_text",
    "write_dispatch": "gridopt.io.write_dispatch",
    "write_plan": "gridopt.io.plan_files",
    "write_program": "gridopt.program_files",
}


if not TYPE_CHECKING:  # a type checker that saw this would let every misspelled name pass

    def __getattr__(name: str) -> object:
        if name in _HOME:
            value = getattr(import_module(_HOME[name]), name)
        elif name == "plots":
            value = import_module("gridopt.plots")
        elif name == "__version__":
            value = import_module("importlib.metadata").version("gridopt")
        else:
            raise AttributeError(f"module 'gridopt' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
