"""The one interface that every problem has: a study becomes a program, an answer becomes a plan."""

from __future__ import annotations

from abc import ABC, abstractmethod

from gridopt.arrays import FloatArray
from gridopt.placement import Outcome
from gridopt.program import Program
from gridopt.study import Study


class Formulation(ABC):
    """Writes a problem as a program; a frozen dataclass whose fields are the modelling choices.

    A problem is one file in ``formulations/``, whose name is the formulation's public name, with
    one final subclass.
    """

    @abstractmethod
    def build(self, study: Study) -> Program:
        """Return the program of this problem for a study.

        Raises
        ------
        StudyError
            Where the study lacks what the choices need.
        """

    @abstractmethod
    def notes(self, study: Study) -> tuple[str, ...]:
        """Return what the choices leave out of this study, to be shown with every result."""

    @abstractmethod
    def decode(self, study: Study, program: Program, x: FloatArray) -> Outcome:
        """Return the plan that the columns `x`, (n,), stand for."""
