"""`switchboard audit`: the options and the help of its words; local/commands.py does what they say."""

from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from app.local import commands

_out = Console()
_err = Console(stderr=True)

audit = typer.Typer(
    help="The record of who did what: verify it, export it. Needs DATABASE_SYSTEM_URL, or a system that is up here.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
Tenants = Annotated[
    list[UUID] | None,
    typer.Option("--tenant", help="Only this customer, by id; can be repeated.", show_default=False),
]


@audit.command("verify")
def audit_verify(
    tenant: Tenants = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Recompute every chain, compare it with its anchors, and name what was changed. Status 1 if anything was."""
    raise typer.Exit(commands.audit_verify(_out, tenants=tenant or [], as_json=as_json))


@audit.command("export")
def audit_export(
    tenant: Tenants = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only what happened from here on (UTC).", show_default=False)
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Only what happened before (UTC).", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A new file; default: standard output.", show_default=False),
    ] = None,
) -> None:
    """Write the record as JSON lines in the shape of OCSF, for a SIEM."""
    commands.audit_export(_out, _err, tenants=tenant or [], since=since, until=until, file=output)


@audit.command("pseudonym")
def audit_pseudonym(
    tenant: Annotated[UUID, typer.Argument(help="Id of the customer.")],
    member: Annotated[UUID, typer.Argument(help="Id of the member.")],
) -> None:
    """Say under which name a member stands in the record."""
    raise typer.Exit(commands.audit_pseudonym(_out, tenant_id=tenant, member_id=member))
