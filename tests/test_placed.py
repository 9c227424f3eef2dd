"""Batteries that were placed, as storage of a study."""

from __future__ import annotations

import numpy as np
import pandapower.networks
import pytest

import gridopt
from gridopt.placement import placed
from gridopt.siting import with_sites


@pytest.mark.parametrize(("share", "held"), [(1.0 + 1e-12, 1.0), (-1e-12, 0.0), (0.5, 0.5)])
def test_rounding_of_the_energy_is_no_fault(share: float, held: float) -> None:
    study = gridopt.read_pandapower(pandapower.networks.case6ww(), hours=2)
    study = with_sites(study, modules=["li_ion_10mw_4h"], modules_max=2)
    modules = np.zeros((6, 1), dtype=np.int64)
    modules[3] = 2
    usable = 2 * float(study.sites.modules.usable_mwh[0])
    whole = placed(study, modules, np.full((6, 1), share * usable))
    assert whole.storage.initial_soc_mwh[-1] == pytest.approx(held * usable, abs=1e-12)
