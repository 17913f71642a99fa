"""The prompt sets that come with the product: app/copilot/prompts/*.yaml.

`switchboard migrate` imports them as platform rows. A file names its task type, its own name and its
revision; changing a prompt without raising the revision is refused at the import, by the hash.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from app.core.yaml_text import load_yaml

_FOLDER = Path(__file__).parent / "prompts"
_FIELDS = {"task_type", "name", "revision", "prompts"}


@dataclass(frozen=True)
class PromptFile:
    """One revision of all prompts of a task type."""

    task_type: str
    name: str
    revision: int
    sha256: str
    """Of the prompts as canonical JSON, hexadecimal."""
    prompts: dict[str, str]


def load_prompt_files(folder: Path = _FOLDER) -> list[PromptFile]:
    """Read every prompt file, by name. Raises: ValueError naming the file and what is wrong in it."""
    return [_load(path) for path in sorted(folder.glob("*.yaml"))]


def _load(path: Path) -> PromptFile:
    content = load_yaml(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or set(content) != _FIELDS:
        raise ValueError(f"{path.name}: expected exactly the fields {', '.join(sorted(_FIELDS))}")
    prompts = content["prompts"]
    if not isinstance(prompts, dict) or not all(isinstance(text, str) for text in prompts.values()):
        raise ValueError(f"{path.name}: prompts: expected a text for each name")
    if type(content["revision"]) is not int:
        raise ValueError(f"{path.name}: revision: expected a whole number")
    canonical = json.dumps(prompts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return PromptFile(
        task_type=str(content["task_type"]),
        name=str(content["name"]),
        revision=content["revision"],
        sha256=hashlib.sha256(canonical.encode()).hexdigest(),
        prompts=dict(prompts),
    )
