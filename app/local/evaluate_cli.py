"""`switchboard evaluate`: the options and the help of its words; local/evaluating.py does what they say."""

from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from typer.core import TyperGroup

_out = Console()


class TaskTypeFirst(TyperGroup):
    """`evaluate summarize ...` is `evaluate run summarize ...`.

    `compare` is both: with `--members` the task type is meant.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` where a task type stands first."""
        asks_members = any(each.partition("=")[0] == "--members" for each in args)
        is_word = args[0] in self.commands if args else False
        if args and not args[0].startswith("-") and (not is_word or (asks_members and args[0] != "run")):
            args = ["run", *args]
        return super().parse_args(ctx, args)


evaluate = typer.Typer(
    cls=TaskTypeFirst,
    help="How good deployments are at a task type: [bold]evaluate TASK_TYPE --data NAME --members A,B[/bold]."
    " [bold]evaluate run --help[/bold] explains these and further options.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
Tenant = Annotated[
    str | None,
    typer.Option(help="The customer: its name at the development Entra, else its id.", show_default=False),
]
User = Annotated[
    str | None,
    typer.Option(
        help="Whose budget pays: a login at the development Entra, else a member's id.", show_default=False
    ),
]
Offline = Annotated[
    bool, typer.Option("--offline", help="Leave alone the vendor keys and model servers that are there.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Page = Annotated[
    Path | None, typer.Option("--html", help="Also write a page with plots to this file.", show_default=False)
]


@evaluate.command()
def run(
    task_type: Annotated[str, typer.Argument(metavar="TASK_TYPE", help="What to do, such as summarize.")],
    data: Annotated[
        str, typer.Option(help="own, aclsum, a set of the customer's by name, or a file of JSON lines.")
    ] = "own",
    members: Annotated[
        str,
        typer.Option(help="Deployments, separated by commas; with a prompt set as DEPLOYMENT@PROMPTS."),
    ] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many cases, of all languages.", show_default=False)
    ] = None,
    case_seconds: Annotated[float, typer.Option(min=1, help="The most that a case may take.")] = 600.0,
    html: Page = None,
    as_json: AsJson = False,
    offline: Offline = False,
    tenant: Tenant = None,
    user: User = None,
) -> None:
    """Try the cases of a data set on members, keep the scores, and compare the members. `run` may be left out."""
    from app.local import evaluating

    asked = evaluating.Asked(
        task_type=task_type,
        data=data,
        members=tuple(name.strip() for name in members.split(",") if name.strip()),
        limit=limit,
        case_seconds=case_seconds,
    )
    evaluating.run(_out, asked, evaluating.Where(tenant, user, offline), page=html, as_json=as_json)


@evaluate.command("list")
def list_runs(
    task_type: Annotated[str | None, typer.Argument(metavar="[TASK_TYPE]", show_default=False)] = None,
    as_json: AsJson = False,
    offline: Offline = False,
    tenant: Tenant = None,
    user: User = None,
) -> None:
    """List earlier evaluations, newest first."""
    from app.local import evaluating

    evaluating.list_runs(_out, evaluating.Where(tenant, user, offline), task_type=task_type, as_json=as_json)


@evaluate.command()
def show(
    run_id: Annotated[
        UUID, typer.Argument(metavar="RUN", help="The evaluation, as `run` and `list` print it.")
    ],
    case: Annotated[
        str | None, typer.Option(help="Only this case, with what was said to it.", show_default=False)
    ] = None,
    html: Page = None,
    as_json: AsJson = False,
    offline: Offline = False,
    tenant: Tenant = None,
    user: User = None,
) -> None:
    """Show an earlier evaluation again, or what its members said to one case."""
    from app.local import evaluating

    if case is not None:
        evaluating.show_case(_out, run_id, case, evaluating.Where(tenant, user, offline), as_json=as_json)
        return
    evaluating.show(_out, [run_id], evaluating.Where(tenant, user, offline), page=html, as_json=as_json)


@evaluate.command()
def compare(
    run_ids: Annotated[
        list[UUID], typer.Argument(metavar="RUN RUN...", help="Evaluations of the same cases.")
    ],
    html: Page = None,
    as_json: AsJson = False,
    offline: Offline = False,
    tenant: Tenant = None,
    user: User = None,
) -> None:
    """Compare the members of several evaluations, or one member over time."""
    from app.local import evaluating

    evaluating.show(_out, run_ids, evaluating.Where(tenant, user, offline), page=html, as_json=as_json)


@evaluate.command()
def forget(
    name: Annotated[str, typer.Argument(help="The data set, as its file was called.")],
    offline: Offline = False,
    tenant: Tenant = None,
    user: User = None,
) -> None:
    """Delete a data set of the customer's own; scores that were made with it stay."""
    from app.local import evaluating

    evaluating.forget(_out, name, evaluating.Where(tenant, user, offline))
