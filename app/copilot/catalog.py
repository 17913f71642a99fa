"""The task types there are: every module of app/copilot with a `TASK_TYPE`."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from app import copilot
from app.copilot.types import TaskType


@lru_cache(maxsize=1)
def task_types() -> Mapping[str, TaskType]:
    """Task types by name. Raises: ValueError if two modules claim one name."""
    found: dict[str, TaskType] = {}
    for name in _module_names():
        task_type = getattr(importlib.import_module(f"{copilot.__name__}.{name}"), "TASK_TYPE", None)
        if isinstance(task_type, TaskType):
            if task_type.name in found:
                raise ValueError(f"two modules of app/copilot define the task type {task_type.name!r}")
            found[task_type.name] = task_type
    return MappingProxyType(found)


@lru_cache(maxsize=1)
def languages() -> frozenset[str]:
    """The languages in which every task type is described."""
    return frozenset.intersection(
        *(frozenset(one.title.keys() & one.description.keys()) for one in task_types().values())
    )


def _module_names() -> list[str]:
    """Modules that define a `TASK_TYPE`.

    Known by their text: importing the runner to find out would load every vendor's client into the API.
    """
    folder = Path(copilot.__path__[0])
    names = sorted(module.name for module in pkgutil.iter_modules([str(folder)]))
    return [name for name in names if "\nTASK_TYPE = " in (folder / f"{name}.py").read_text(encoding="utf-8")]
