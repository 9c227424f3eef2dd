"""Who may import whom, and what ``import gridopt`` costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import gridopt

ROOT = Path(__file__).resolve().parents[1]

DATA = "errors arrays display grid feeder elements sites requirements study results"
MODEL = "errors arrays agents lazy program solution"
MILP = "linearization cuts highs_model held_model"

MAY_IMPORT = {
    # module or folder: what else of gridopt it may import (every folder also imports itself)
    "errors": "",
    "arrays": "errors",
    "display": "",
    "compiling": "",
    # the study and the plan: they know of no program
    "grid": "errors arrays",
    "ac_model": "errors arrays grid",
    "elements": "errors arrays grid",
    "feeder": "errors arrays grid",
    "sites": "errors arrays grid elements",
    "requirements": "errors arrays",
    "study": "errors arrays display grid feeder elements sites requirements",
    "results": "errors arrays display grid feeder elements sites requirements study",
    "placement": DATA,
    "data": "",
    "io": f"{DATA} placement ac_model data",
    "siting": f"{DATA} placement io",
    "days": DATA,
    "price_table": DATA,
    "plots": f"{DATA} price_table",
    "network_plots": f"{DATA} io plots",
    "placement_plots": f"{DATA} placement placement_rules rules ac_power_flow io plots "
    "network_plots placing",
    "security": DATA,
    "rules": f"{DATA} security",
    "placement_rules": f"{DATA} placement rules",
    "verification": f"{DATA} placement placement_rules rules",
    "ac_power_flow": f"{DATA} io",
    "fast_power_flow": "errors arrays grid ac_model compiling io",
    "base_points": f"{DATA} placement ac_power_flow fast_power_flow io",
    "windows": DATA,
    "rolling": f"{DATA} rules",
    # the program and its solvers: they know of no grid
    "lazy": "errors arrays",
    "agents": "arrays",
    "program": "errors arrays agents lazy",
    "solution": "errors arrays agents program",
    "linearization": MODEL,
    "solver": MODEL,
    "cuts": MODEL,
    "highs_model": f"{MODEL} linearization solver",
    "held_model": "arrays linearization highs_model solution",
    "linear_prices": f"{MODEL} linearization highs_model",
    "incumbent": MODEL,
    "program_files": f"{MODEL} solver",
    "lowering": f"{MODEL} display compiling linear_prices solver",
    # a sampler's bits get their dispatch and their bound from HiGHS, always from it
    "sampling": f"{MODEL} compiling linear_prices solver lowering exports solvers.highs",
    "annealing": "errors arrays compiling lowering.qubo lowering.structure sampling.samples",
    "circuits": "errors arrays compiling solver lowering.qubo lowering.structure sampling.samples "
    "sampling.effort",
    "exports": f"{MODEL} lowering",
    # agents and their prices: they know of no formulation
    "decomposition": f"{MODEL} {MILP} incumbent solver lowering sampling solvers.highs",
    "solvers": f"{MODEL} {MILP} incumbent compiling solver decomposition lowering sampling "
    "annealing circuits exports",
    # where the two meet: a formulation writes programs and knows of no solver
    "formulation": f"{DATA} placement program",
    "formulations": f"{DATA} placement agents compiling lazy program formulation",
    # these bring all together, and nothing above imports them
    "registry": f"errors {MODEL} solver formulation solvers formulations",
    "running": "*",
    "pricing": "*",
    "simulation": "*",
    "outputs": "*",
    "pages": "*",
    "commands": "*",
    "placing": "*",
    "ac_items": "*",
    "ac_sites": "*",
    "base_dispatch": "*",
    "quadratic_model": MODEL,
    "placement_controls": f"{MODEL} {MILP} lowering sampling linear_prices solver",
    "placement_commands": "*",
    "placement_outputs": "*",
    "bench": "*",
    "cli": "*",
    "demo": "*",
    "__main__": "*",
    "": "*",
}

ONLY_IN = {
    # package: the modules or folders that may import it
    "pandapower": "ac_power_flow io.matpower_file io.net_ac_model io.net_file io.net_grid "
    "io.pandapower_net io.simbench_net io.write_dispatch",
    "simbench": "io.simbench_net",
    "highspy": "highs_model program_files solvers.highs",
    "dimod": "bench.naive_qubo solvers sampling.presolve exports.dimod_models",
    "numba": "compiling annealing",
    "neal": "bench.naive_qubo solvers.neal",
    "dwave": "solvers sampling.presolve",
    "minorminer": "solvers.dwave",
    "openjij": "bench.naive_qubo solvers.openjij",
    "torch": "solvers.simulated_bifurcation",
    "simulated_bifurcation": "solvers.simulated_bifurcation",
    "qiskit": "bench.naive_qubo circuits solvers",
    "qiskit_aer": "circuits.backends solvers",
    "qiskit_ibm_runtime": "circuits.backends",
    "qiskit_optimization": "bench.naive_qubo solvers.qiskit_optimization",
    "altair": "bench.charts",
    "distributed": "bench.cluster",
    "duckdb": "bench.store",
    "jinja2": "pages",
    "matplotlib": "plots network_plots placement_plots",
    "networkx": "network_plots",
    "typer": "cli",
    "psutil": "bench.process",
    "rich": "bench.commands cli commands demo",
}

MAY_IMPORT_RUNNING = (
    "pricing simulation placing cli commands placement_commands placement_outputs demo "
    "outputs pages bench __main__"
)

STARTS_FAST = "bench.commands bench.spec bench.tasks cli commands demo io.cases"
"""Modules whose functions may import, so that they load only what a call needs. Elsewhere a
function may import only a slow or optional package that `ONLY_IN` confines to its module."""

OPTIONAL = [
    "bench.charts",
    "bench.cluster",
    "bench.process",
    "bench.store",
    "solvers.dwave",
    "solvers.leap_cqm",
    "solvers.openjij",
    "solvers.simulated_bifurcation",
]
"""Modules whose package is an extra."""

HEAVY = (
    "numpy scipy pandas pandapower matplotlib dimod neal dwave openjij torch qiskit qiskit_aer "
    "highspy numba typer"
)


@dataclass(frozen=True)
class Import:
    """One import statement: who imports what, where, and whether it runs on import."""

    importer: str
    target: str
    line: int
    in_function: bool = False
    for_types_only: bool = False
    level: int = 0

    def __str__(self) -> str:
        return f"{dotted(self.importer)} line {self.line} imports {self.target}"


def dotted(module: str) -> str:
    return f"gridopt.{module}".rstrip(".")


def module_files() -> dict[str, Path]:
    """Return every module of the package, named without ``gridopt.``, and its file."""
    found = {}
    folders = {
        "": "gridopt",
        "bench": "benchmarks/bench",
        "formulations": "formulations",
        "solvers": "solvers",
    }
    for package, folder in folders.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            if package == "bench" and parts[0] == "adapters":
                continue  # scripts that run with packages of their own
            if package == "" and parts[0] in folders:
                continue  # links to the others
            names = [package, *parts] if package else list(parts)
            found[".".join(names).removesuffix("__init__").removesuffix(".")] = file
    return found


def imports_of(module: str, file: Path) -> Iterator[Import]:
    yield from _walk(module, ast.parse(file.read_text("utf-8")), in_function=False, types=False)


def _walk(module: str, node: ast.AST, in_function: bool, types: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        level = node.level if isinstance(node, ast.ImportFrom) else 0
        for target in _targets(node):
            yield Import(module, target, node.lineno, in_function, types, level)
    in_function |= isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    types |= isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    for child in ast.iter_child_nodes(node):
        yield from _walk(module, child, in_function, types)


def _targets(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    whole = [f"{base}.{alias.name}" for alias in node.names]
    modules = {dotted(module) for module in MODULES}
    return [name if name in modules else base for name in whole]


MODULES = module_files()
IMPORTS = [found for module, file in MODULES.items() for found in imports_of(module, file)]
INTERNAL = [found for found in IMPORTS if found.target.split(".")[0] == "gridopt"]


def within(module: str, places: str) -> bool:
    """Whether a module is one of the places, or in a folder that is."""
    return any(module == place or module.startswith(f"{place}.") for place in places.split())


def layer(module: str) -> str:
    return module.split(".")[0]


def inner(target: str) -> str:
    return target.removeprefix("gridopt").removeprefix(".")


def test_every_module_has_a_layer() -> None:
    missing = sorted({layer(module) for module in MODULES} - set(MAY_IMPORT))
    assert not missing, f"give these a row in MAY_IMPORT of this test: {missing}"


def test_imports_follow_the_layers() -> None:
    def right(found: Import) -> bool:
        own, other = layer(found.importer), inner(found.target)
        allowed = MAY_IMPORT.get(own, "")
        return allowed == "*" or own == layer(other) or within(other, allowed)

    assert [str(found) for found in INTERNAL if not right(found)] == []


def test_only_what_solves_imports_running() -> None:
    importers = {found.importer for found in INTERNAL if inner(found.target) == "running"}
    assert {module for module in importers if not within(module, MAY_IMPORT_RUNNING)} <= {
        "",
        "running",
    }


def test_heavy_packages_are_confined() -> None:
    def right(found: Import) -> bool:
        places = ONLY_IN.get(found.target.split(".")[0])
        return places is None or within(found.importer, places)

    assert [str(found) for found in IMPORTS if not right(found)] == []


def test_no_import_is_hidden_in_a_function() -> None:
    def right(found: Import) -> bool:
        confined = found.target.split(".")[0] in ONLY_IN
        return not found.in_function or confined or within(found.importer, STARTS_FAST)

    assert [str(found) for found in IMPORTS if not right(found)] == []


def test_few_import_by_name() -> None:
    """What `import_module` loads, no other test here sees."""
    by_name = {name for name, file in MODULES.items() if "import_module" in file.read_text("utf-8")}
    assert by_name == {"", "display", "registry"}


def test_no_import_is_relative() -> None:
    assert [str(found) for found in IMPORTS if found.level] == []


def test_no_import_cycle() -> None:
    graph: dict[str, set[str]] = {dotted(module): set() for module in MODULES}
    for found in INTERNAL:
        if not found.in_function and not found.for_types_only:
            graph[dotted(found.importer)].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as cycle:
        pytest.fail(f"import cycle: {' <- '.join(cycle.args[1])}")


def test_import_gridopt_loads_nothing_heavy() -> None:
    code = f"import sys, gridopt; print(*sorted(set({HEAVY.split()}) & set(sys.modules)))"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
    assert done.stderr == ""


def test_names_of_functions_are_not_names_of_modules() -> None:
    hidden = set(gridopt.__all__) & set(MODULES) - {"plots"}
    assert not hidden, "importing these modules would hide the public names: rename the modules"


def test_public_names_agree() -> None:
    declared = {alias.asname or alias.name for alias in _declared_for_type_checkers()}
    assert declared == set(gridopt.__all__)
    assert set(gridopt._HOME) == set(gridopt.__all__) - {"plots"}
    assert set(gridopt.__all__) <= set(dir(gridopt))


def _declared_for_type_checkers() -> Iterator[ast.alias]:
    for node in ast.walk(ast.parse(MODULES[""].read_text("utf-8"))):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                assert isinstance(statement, ast.Import | ast.ImportFrom)
                yield from statement.names


def test_public_names_resolve_after_all_modules_are_imported() -> None:
    for module in MODULES:
        # a solver's own package may be missing, which its name in the registry tells
        missing = suppress(ModuleNotFoundError) if module in OPTIONAL else nullcontext()
        if layer(module) != "__main__":
            with missing:
                import_module(dotted(module))
    for name, home in gridopt._HOME.items():
        assert getattr(gridopt, name) is getattr(import_module(home), name), name
    assert gridopt.plots is import_module("gridopt.plots")
    assert gridopt.__version__.split(".")[0].isdigit()


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'solv'"):
        getattr(gridopt, "solv")  # noqa: B009
