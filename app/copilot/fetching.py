"""The first step of a job whose documents are in Microsoft 365: get them for a member who may be away.

Like everything else it has no transaction open while others are asked: files are fetched and read one
after another, then all are kept, and the job is pinned to the pool that suits them, in one fenced write.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from app.copilot.asking import attributes_for
from app.copilot.catalog import task_types
from app.copilot.context import StepEvents
from app.copilot.runtime import Runtime
from app.copilot.sealed_json import open_json, seal_json
from app.copilot.submit import place
from app.core.clock import new_id
from app.core.crypto import Sealer
from app.core.errors import AppError, ErrorDetail
from app.core.logging import get_logger
from app.documents import service as documents
from app.documents.taking import ReadFile, Taker
from app.identity.errors import ClaimsChallenge
from app.identity.graph import DriveItemRef
from app.identity.graph_errors import (
    ConsentRequired,
    GraphSessionNotFound,
    GraphUnavailable,
    InteractionRequired,
)
from app.jobs.accept import parameters_place
from app.jobs.complete import (
    Completion,
    PlannedStep,
    Prepared,
    Progress,
    complete,
    input_place,
    output_place,
)
from app.jobs.errors import NeedsUser
from app.jobs.leases import ClaimedStep
from app.vocabulary import Lane, OfficeHost, StepKind

_log = get_logger(__name__)
_RESUME = "then send POST /addin/v1/jobs/{job_id}/resume with a new token."


@dataclass(frozen=True)
class Fetched:
    """A file that has been fetched and read, but not yet kept."""

    ref: DriveItemRef
    file: ReadFile


async def fetch(runtime: Runtime, step: ClaimedStep, sealer: Sealer, events: StepEvents) -> list[Fetched]:
    """Get and read what the step's input names, in order.

    Raises: `NeedsUser`, and for what no sign-in helps with the errors of `identity.graph_errors` and `documents.errors`.
    """
    if runtime.files is None or step.graph_session_id is None:
        _log.error("this worker cannot fetch files: SWITCHBOARD_API_CLIENT_ID is not set")
        raise GraphUnavailable("not_configured")
    refs = [
        DriveItemRef(**one)
        for one in open_json(sealer, input_place(step.id), step.sealed_input)["drive_items"]
    ]
    taker = Taker(runtime.database, runtime.extractor, sealer, step.tenant_id, step.member_id)
    fetched: list[Fetched] = []
    for number, ref in enumerate(refs):
        told = f"{number} of {len(refs)} files fetched"
        await events.emit(
            "progress", {"phase": step.kind, "done": number, "total": len(refs), "message": told}
        )
        with needing_user(step):
            async with runtime.files.open_in_session(
                tenant_id=step.tenant_id,
                member_id=step.member_id,
                session_id=step.graph_session_id,
                ref=ref,
            ) as opened:
                file = await taker.take(opened.name, opened.pieces)
        fetched.append(Fetched(DriveItemRef(ref.drive_id, ref.item_id, opened.etag), file))
    return fetched


async def keep(runtime: Runtime, step: ClaimedStep, sealer: Sealer, fetched: Sequence[Fetched]) -> Progress:
    """Keep the files as the job's documents, pin the job to the pool that suits them, queue its next step.

    Raises: `LeaseLost`, `JobTooLarge`, `NoRoute`, `NoEligibleMember`.
    """
    parameters = open_json(sealer, parameters_place(step.job_id), step.sealed_parameters)
    prepared = [
        await documents.prepare(
            sealer,
            name=one.file.name,
            size_bytes=one.file.size_bytes,
            sha256=one.file.sha256,
            extracted=one.file.extracted,
            source={name: value for name, value in asdict(one.ref).items() if value is not None},
            original=one.file.original,
        )
        for one in fetched
    ]
    async with runtime.database.tenant(step.tenant_id) as session:
        stored = [
            await documents.keep(session, one, tenant_id=step.tenant_id, member_id=step.member_id)
            for one in prepared
        ]
        placement = await place(
            runtime.configuration,
            task_types()[step.task_type],
            parameters,
            tenant_id=step.tenant_id,
            lane=Lane(step.lane),
            host=OfficeHost(step.host),
            documents=stored,
            member=await attributes_for(
                session,
                runtime.configuration,
                step.task_type,
                tenant_id=step.tenant_id,
                member_id=step.member_id,
            ),
        )
        return await complete(
            session,
            step,
            Completion(
                sealed_output=seal_json(sealer, output_place(step.id), {"documents": len(stored)}),
                new_steps=[_next_step(sealer, placement.first_step, placement.first_step_tokens)],
                phase=step.kind,
                prepared=Prepared(
                    documents=[one.id for one in stored],
                    language=placement.language,
                    estimated_tokens=placement.estimated_tokens,
                    pool_tenant_id=placement.route.pool_tenant_id,
                    pool_revision_id=placement.route.revision_id,
                    estimate=placement.estimate.as_json(),
                    route_reason=f"{placement.route.reason}, chosen once the documents were there",
                ),
            ),
        )


def _next_step(sealer: Sealer, kind: StepKind, estimated_tokens: int) -> PlannedStep:
    step_id = new_id()
    return PlannedStep(
        id=step_id,
        kind=kind,
        ordinal=0,
        sealed_input=seal_json(sealer, input_place(step_id), {}),
        estimated_tokens=estimated_tokens,
        successor_step_id=None,
        remaining=0,
    )


@contextlib.contextmanager
def needing_user(step: ClaimedStep) -> Iterator[None]:
    """What only the member can help with. Raises: `NeedsUser`."""
    try:
        yield
    except (ConsentRequired, ClaimsChallenge, InteractionRequired, GraphSessionNotFound) as error:
        raise _needs_user(error, step) from None


def _needs_user(error: AppError, step: ClaimedStep) -> NeedsUser:
    """What the member has to do, in words and for programs."""
    details = list(error.details)
    match error:
        case ConsentRequired():
            ask = "You or your administrator must agree that Switchboard reads your files"
        case GraphSessionNotFound():
            ask = "Your leave to read your files is over or was revoked; if the job may still read them"
        case _:
            ask = "Microsoft Entra wants you to sign in again before your files can be read; sign in"
    if isinstance(error, ClaimsChallenge):
        details.append(ErrorDetail("claims", error.claims))
    return NeedsUser(
        error.code,
        f"{ask}, {_RESUME.format(job_id=step.job_id)}",
        action={"details": [{"code": one.code, "message": one.message} for one in details]},
    )
