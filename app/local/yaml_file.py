"""Reading a configuration file in YAML: what is wrong is told with its line and column."""

from pathlib import Path
from typing import Any

import yaml

from app.core.errors import SeedError
from app.core.yaml_text import load_yaml


def read_yaml(path: Path) -> Any:
    """The content of the file. Raises: `SeedError`."""
    try:
        return load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SeedError(
            f"{path}: cannot be read ({error.strerror}); set SWITCHBOARD_SEED to a file"
        ) from None
    except UnicodeDecodeError:
        raise SeedError(f"{path}: is not a text in UTF-8; set SWITCHBOARD_SEED to a YAML file") from None
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f"line {place.line + 1}, column {place.column + 1}: " if place is not None else ""
        raise SeedError(f"{path}: {where}{getattr(error, 'problem', None) or 'this is not YAML'}") from None
