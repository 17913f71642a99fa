"""The `switchboard` command. Every command ends with a plain message, never with a stack trace."""

import itertools
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, NoReturn
from uuid import UUID

import typer
from rich.console import Console

from app.local import commands, showing
from app.local.audit_cli import Tenants, audit
from app.local.client import ClientError
from app.local.demo import SAMPLE, Task
from app.local.evaluate_cli import evaluate
from app.local.looking import Look
from app.local.registrations import Form, Which
from app.local.signing_in import development_token
from app.settings import Settings

_out = Console()
_err = Console(stderr=True)
_INTERRUPTED = 130

app = typer.Typer(
    name="switchboard",
    help="The backend of an Office-style assistant that depends on no single model vendor.",
    epilog="Begin with [bold]switchboard demo[/bold]; it needs nothing but this machine.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(audit, name="audit")
app.add_typer(evaluate, name="evaluate")

Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="Leave alone the vendor keys and model servers that are there; refused where a system that is up uses them.",
    ),
]
Tenant = Annotated[str | None, typer.Option(help="The customer to sign in at, by name.", show_default=False)]
User = Annotated[
    str | None, typer.Option(help="Who signs in: login, its part before the @, or name.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="A new file to save what the task makes of a document (output=file).",
        show_default=False,
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        metavar="KEY=VALUE",
        help="A parameter of the task, such as length=bullets; a list is labels=a,b or JSON or one --param for each.",
    ),
]


def _version(asked: bool) -> None:
    if asked:
        _out.print(f"switchboard {metadata.version('switchboard')}", highlight=False)
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool,
        typer.Option("--version", help="Say which version this is.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    """The backend of an Office-style assistant that depends on no single model vendor."""


@app.command()
def up(
    offline: Offline = False,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port of the API; default 8720 or a free one.", show_default=False
        ),
    ] = None,
) -> None:
    """Run the whole system on this machine until Ctrl-C.

    What the environment names (DATABASE_URL, REDIS_URL, SWITCHBOARD_ENTRA_AUTHORITY, ...) is used; the
    rest is embedded. It also ends with the program that started it, except under nohup.
    """
    commands.up(_out, offline=offline, port=port)


@app.command()
def demo(
    file: Annotated[
        Path | None,
        typer.Argument(help="A document; default: the memo that comes along.", show_default=False),
    ] = None,
    param: Parameters = None,
    offline: Offline = False,
    tenant: Tenant = None,
    user: User = None,
) -> None:
    """Summarize a document and show the answer with its sources, who wrote it and why."""
    task = Task(
        task_type="summarize",
        files=[file or SAMPLE],
        parameters=param or [],
        offline=offline,
        tenant=tenant,
        user=user,
    )
    showing.demo(_out, task)


@app.command()
def run(
    task_type: Annotated[str, typer.Argument(metavar="TASK_TYPE", help="What to do, such as summarize.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="Documents to do it with.", show_default=False),
    ] = None,
    param: Parameters = None,
    text: Annotated[
        str | None, typer.Option(help="A text instead of files; - reads standard input.", show_default=False)
    ] = None,
    as_json: AsJson = False,
    background: Annotated[
        bool, typer.Option("--background", help="Use the lane where nobody waits.")
    ] = False,
    output: Output = None,
    offline: Offline = False,
    tenant: Tenant = None,
    user: User = None,
) -> None:
    """Do one document task, on the running system or on one started for its duration."""
    task = Task(
        task_type=task_type,
        files=files or [],
        text=_standard_input() if text == "-" and not files else text,
        text_from="standard input" if text == "-" else "--text",
        parameters=param or [],
        lane="background" if background else None,
        output=output,
        tenant=tenant,
        user=user,
        offline=offline,
    )
    showing.run(_out, _err, task, as_json=as_json)


@app.command()
def job(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="The job, as `run` prints it.")],
    as_json: AsJson = False,
    output: Output = None,
    offline: Offline = False,
    tenant: Tenant = None,
    user: User = None,
) -> None:
    """Look at a job again: follow it to its end and show what it gave. Ctrl-C leaves the job alone."""
    asked = Look(job_id, tenant=tenant, user=user, offline=offline, output=output)
    showing.job(_out, _err, asked, as_json=as_json)


@app.command()
def token(tenant: Tenant = None, user: User = None) -> None:
    """Print an access token of somebody of the development Entra, to try the API of a system that is up here."""
    sys.stdout.write(f"{development_token(tenant, user)}\n")


@app.command()
def migrate() -> None:
    """Create roles and schema, then import prompts and configuration. Safe to run again at any time."""
    commands.migrate(_out)


keys = typer.Typer(
    help="Keys that seal customers' content: their rotation and their state. Needs DATABASE_OWNER_URL, or a system that is up here.",
    no_args_is_help=True,
)
app.add_typer(keys, name="keys")


@keys.command()
def rotate(
    data_keys: Annotated[
        bool, typer.Option("--data-keys", help="Also make a new version of every tenant's data key.")
    ] = False,
    reseal: Annotated[
        bool, typer.Option("--reseal", help="Also seal every value anew with its tenant's newest version.")
    ] = False,
    new_wrapping_key: Annotated[
        bool, typer.Option("--new-wrapping-key", help="First add a key to the keyring file (development).")
    ] = False,
) -> None:
    """Wrap every data key with the newest key-encryption key, while the system runs. Safe to run again."""
    commands.rotate_keys(_out, data_keys=data_keys, reseal=reseal, new_wrapping_key=new_wrapping_key)


@keys.command()
def status(
    quick: Annotated[
        bool, typer.Option("--quick", help="Only look at which key sealed each value; open none.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Count keys and sealed values, and open every value; exit status 1 when one cannot be read."""
    raise typer.Exit(commands.keys_status(_out, quick=quick, as_json=as_json))


@app.command()
def doctor() -> None:
    """Check this machine and its settings, and say what to do about each problem."""
    raise typer.Exit(commands.doctor(_out))


@app.command()
def registrations(
    form: Annotated[
        Form, typer.Option("--format", help="JSON for Microsoft Graph, or a bash script for az.")
    ] = Form.JSON,
    only: Annotated[
        Which | None,
        typer.Option(help="With json: only the body that POST /applications takes.", show_default=False),
    ] = None,
    portal_url: Annotated[
        str | None,
        typer.Option(help="Address of the portal; default: SWITCHBOARD_PORTAL_URL.", show_default=False),
    ] = None,
    addin_origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Origin of the add-in's pages; default: SWITCHBOARD_ADDIN_ORIGINS.", show_default=False
        ),
    ] = None,
    addin_page: Annotated[
        list[str] | None,
        typer.Option(help="A page of the add-in that asks for tokens; needed by Office on the web."),
    ] = None,
) -> None:
    """Print the app registrations in Microsoft Entra that this product needs; see docs/security.md."""
    commands.registrations(
        _out,
        form=form,
        only=only,
        portal_url=portal_url,
        addin_origins=addin_origin or [],
        addin_pages=addin_page or [],
    )


operator = typer.Typer(
    help="Who operates the platform, in the directory SWITCHBOARD_OPERATOR_TENANT. Needs DATABASE_URL, or a system that is up here.",
    no_args_is_help=True,
)
app.add_typer(operator, name="operator")
Person = Annotated[UUID, typer.Argument(metavar="OBJECT_ID", help="The person's object id in Entra.")]


@operator.command("invite")
def operator_invite(name: Annotated[str, typer.Argument(help="What the directory is called here.")]) -> None:
    """Let the operator's own directory bring itself in at the portal, as the first one."""
    from app.local import operators

    _say(operators.invite(Settings(), name=name))


@operator.command("grant")
def operator_grant(person: Person) -> None:
    """Make somebody a platform operator; Entra has to assign the role as well."""
    from app.local import operators

    _say(operators.grant(Settings(), object_id=person))


@operator.command("revoke")
def operator_revoke(person: Person) -> None:
    """Make a platform operator a plain member again."""
    from app.local import operators

    _say(operators.revoke(Settings(), object_id=person))


ledger = typer.Typer(
    help="The ledger of model calls: prove that it adds up. Needs DATABASE_SYSTEM_URL, or a system that is up here.",
    no_args_is_help=True,
)
app.add_typer(ledger, name="ledger")


@ledger.command("check")
def ledger_check(
    tenant: Tenants = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set sums of budgets that differ to those of their calls.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare budgets with their calls and costs with tokens and prices. Status 1 if anything differs."""
    raise typer.Exit(commands.ledger_check(_out, tenants=tenant or [], repair=repair, as_json=as_json))


def main() -> None:
    """Run the command; an error that we expected becomes one plain message and exit status 1."""
    as_json = "--json" in itertools.takewhile(lambda argument: argument != "--", sys.argv[1:])
    try:
        # Typer tells people in words of its own; for a program the errors come to us.
        status = app(standalone_mode=not as_json)
    except ClientError as error:
        _fail(error, as_json=as_json)
    except typer.TyperException as error:
        _fail(_error("usage", error.format_message(), status=error.exit_code), as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last door: people get a sentence, not a stack trace
        body = commands.explain(error)
        failure = ClientError(body["code"], body["message"])
        failure.body = body
        _fail(failure, as_json=as_json)
    else:
        if status == _INTERRUPTED:
            _fail(_error("interrupted", "interrupted", status=status), as_json=as_json)
        sys.exit(status)


def _say(sentence: str) -> None:
    _out.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise ClientError("bad_text", "standard input is not a text in UTF-8", target="input") from error


def _error(code: str, message: str, *, status: int) -> ClientError:
    error = ClientError(code, message)
    error.status = status
    return error


def _fail(error: ClientError, *, as_json: bool) -> NoReturn:
    body = error.body
    if as_json:
        told = {"job_id": error.job_id, "state": error.state, "error": body}
        sys.stdout.write(commands.json_line(told))
    else:
        _err.print(f"error: {body['message']}", style="red", markup=False, highlight=False, soft_wrap=True)
        for detail in body.get("details") or []:
            line = f"  {detail.get('target') or detail.get('code')}: {detail.get('message')}"
            _err.print(line, markup=False, highlight=False, soft_wrap=True)
        if error.job_id is not None and error.job_id not in body["message"]:
            _err.print(f"  job: {error.job_id}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(error.status)


if __name__ == "__main__":
    main()
