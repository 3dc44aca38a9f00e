"""The one word that the compiled core needs in the source: classes that are compiled and have subclasses that are not.

Only the compiler reads it (setup.py); without it the decorator does nothing, and its package is not needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr
else:
    T = TypeVar("T")

    def mypyc_attr(**_: bool) -> Callable[[T], T]:
        return lambda decorated: decorated


__all__ = ["mypyc_attr"]
