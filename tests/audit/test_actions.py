"""The operator's page lists what is recorded, and says the same as the code.

After a change: `python -m tests.audit.test_actions` writes the table anew.
"""

import re
from pathlib import Path

from app.audit.actions import AuditAction
from app.audit.record import ActorKind

ROOT = Path(__file__).resolve().parents[2]
_PAGE = ROOT / "docs" / "audit.md"
_TABLE = re.compile(r"(?<=test_actions -->\n).*(?=<!-- end of actions -->)", re.DOTALL)


def rendered() -> str:
    """The page with the table as the code has it."""
    lines = ["| action | what has happened |", "|---|---|"]
    lines += [f"| `{action}` | {action.meaning} |" for action in AuditAction]
    return _TABLE.sub("\n".join(lines) + "\n", _PAGE.read_text())


def test_the_page_lists_what_is_recorded() -> None:
    assert _PAGE.read_text() == rendered(), "run `python -m tests.audit.test_actions`"


def test_the_page_names_everybody_who_can_act() -> None:
    named = set(
        re.findall(
            r"^\| `(\w+)` \| [^|]+ \|$", _PAGE.read_text().split("## What is recorded")[0], re.MULTILINE
        )
    )
    assert named == set(ActorKind)


def test_every_action_is_recorded_somewhere() -> None:
    source = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    never = {action.name for action in AuditAction if f"AuditAction.{action.name}" not in source}
    assert never == set()


if __name__ == "__main__":
    _PAGE.write_text(rendered())
