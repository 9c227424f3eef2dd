"""Fills templates: every value becomes text, whatever it holds, and a missing one is an error."""

from __future__ import annotations

from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

OWN = "gridopt.pages"


def environment(*packages: str) -> Environment:
    """Return where templates are found: in the folders ``templates`` of packages, then in ours.

    Parameters
    ----------
    *packages : str
        Dotted names, such as ``"gridopt.bench"``.
    """
    folders = [PackageLoader(package) for package in (*packages, OWN)]
    return Environment(
        loader=ChoiceLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template_name: str, *packages: str, **values: Any) -> str:
    """Return a page.

    A template begins with ``{% extends "base.html.j2" %}`` and fills its blocks ``title``,
    ``content`` and, where it has any, ``style`` and ``scripts``. Values are escaped; only a
    `markupsafe.Markup`, which its maker vouches for, is taken as it is. The page's own policy
    forbids every request to a network, and scripts where the block ``scripts`` is empty.

    Parameters
    ----------
    template_name : str
    *packages : str
        Packages with a folder ``templates`` to look into first.
    **values
        What the template names.

    Returns
    -------
    str
        The same for the same values.

    Raises
    ------
    jinja2.UndefinedError
        Where the template names what is not given.
    """
    return environment(*packages).get_template(template_name).render(**values)
