"""The glossary in code: enums and typed ids that every room shares. One line each."""

from enum import StrEnum
from typing import NewType
from uuid import UUID

TenantId = NewType("TenantId", UUID)
MemberId = NewType("MemberId", UUID)
JobId = NewType("JobId", UUID)
StepId = NewType("StepId", UUID)
DocumentId = NewType("DocumentId", UUID)
DeploymentId = NewType("DeploymentId", UUID)
PoolMemberId = NewType("PoolMemberId", UUID)
RevisionId = NewType("RevisionId", UUID)

PLATFORM = TenantId(UUID("00000000-0000-7000-8000-000000000001"))
"""The reserved tenant that owns the configuration every tenant may read."""
PROCESS_PERMISSION = "Tasks.Process.All"
"""The application role that a program's token must carry."""


class Environment(StrEnum):
    """Where the process runs; development relaxes what identity needs on one machine."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class OfficeHost(StrEnum):
    """The Office program a task comes from."""

    WORD = "word"
    EXCEL = "excel"
    POWERPOINT = "powerpoint"
    OUTLOOK = "outlook"


class Lane(StrEnum):
    """Interactive: a person waits. Background: nobody does."""

    INTERACTIVE = "interactive"
    BACKGROUND = "background"


class Role(StrEnum):
    """What a member may do in the tenant."""

    TENANT_ADMIN = "TenantAdmin"
    AUDITOR = "Auditor"
    MEMBER = "Member"
    PLATFORM_OPERATOR = "PlatformOperator"
    """Counts only in the operator's own tenant, see `app.identity.principal.effective_roles`."""


class AppClientState(StrEnum):
    """A revoked program is refused at the next request."""

    ACTIVE = "active"
    REVOKED = "revoked"


class TenantState(StrEnum):
    """Only an active tenant's tokens are accepted."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ERASING = "erasing"
    """Nobody is let in any more; see app/lifecycle/states.py."""
    ERASED = "erased"


class MemberState(StrEnum):
    """Whoever is not active is refused at the next request and the next step."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    ERASED = "erased"
    """Nobody any more: the row stays for the sums, and its tombstone keeps the person out."""


class JobState(StrEnum):
    """See app/jobs/states.py for the machine."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


class BatchItemState(StrEnum):
    """How far a document of a batch is: as its job, which may not be made yet or no longer be there."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REMOVED = "removed"
    """Its job has ended and was removed with its result."""


class StepState(StrEnum):
    """See app/jobs/states.py for the machine."""

    BLOCKED = "blocked"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


class StepKind(StrEnum):
    """What a step does; a short task has one step, `final`.

    `fetch` gets documents, `batch` makes jobs for many of them; both for any task type.
    """

    BATCH = "batch"
    FETCH = "fetch"
    PLAN = "plan"
    MAP = "map"
    MERGE = "merge"
    FINAL = "final"

    @property
    def calls_models(self) -> bool:
        """Whether such a step asks a model, so that a place at one is kept for it."""
        return self not in {StepKind.BATCH, StepKind.FETCH, StepKind.PLAN}


class ProviderKind(StrEnum):
    """The protocol of a vendor account."""

    OPENAI = "openai"
    AZURE_OPENAI = "azure_openai"
    AZURE_FOUNDRY = "azure_foundry"
    ANTHROPIC = "anthropic"
    GOOGLE = "google"
    OPENAI_COMPATIBLE = "openai_compatible"
    EXTRACTIVE = "extractive"


class Authentication(StrEnum):
    """How a vendor account knows us: by a key, by the product's own identity in Entra, or not at all."""

    KEY = "key"
    ENTRA = "entra"
    NONE = "none"


class ModelClass(StrEnum):
    """Whether a model thinks before it answers."""

    REASONING = "reasoning"
    GENERAL = "general"


class Capability(StrEnum):
    """What a deployment can beside answering in text."""

    JSON_SCHEMA = "json_schema"
    GRAMMAR = "grammar"
    """Compiles a schema with patterns and lists, as llama.cpp and vLLM do."""
    TOOLS = "tools"


class Lifecycle(StrEnum):
    """A deployment's stage; retired ones serve nothing."""

    PREVIEW = "preview"
    ACTIVE = "active"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


class MemberPurpose(StrEnum):
    """Role of a pool member: only serving members answer people."""

    SERVING = "serving"
    CANARY = "canary"
    SHADOW = "shadow"


class Strategy(StrEnum):
    """How members of one tier are ordered."""

    WEIGHTED = "weighted"
    LEAST_COST = "least_cost"
    LEAST_LATENCY = "least_latency"
    LEAST_BUSY = "least_busy"


class CallOutcome(StrEnum):
    """How a model call ended; `pending` is the intent, `unknown` a call nobody came back from."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    UNSENT = "unsent"
    """What was reserved for it was not needed; no request left."""


class NoticeKind(StrEnum):
    """What ends or costs too much, in a notice and as the type of an event."""

    DEPRECATION = "deployment.deprecation"
    """From then on the vendor advises against it; it serves on."""
    RETIREMENT = "deployment.retirement"
    """From then on the deployment may not serve."""
    CONTRACT = "contract.end"
    """From then on none of the provider's deployments may serve."""
    OVERRUN = "cost.overrun"
    """A vendor counted more than was reserved for the request, and is paid."""
    BUDGET_EXCEEDED = "budget.exceeded"
    """That carried a budget past its hard limit: it lets nothing through until its period ends or it is raised."""


class WebhookState(StrEnum):
    """Whether notices are sent there."""

    ACTIVE = "active"
    PAUSED = "paused"
    """By an administrator, or because the receiver said that it is gone."""


class DeliveryState(StrEnum):
    """How far a message to a webhook is."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up: a day has passed, the receiver is gone, or its webhook is paused."""


class BudgetScope(StrEnum):
    """Whose spending a budget bounds."""

    TENANT = "tenant"
    GROUP = "group"
    MEMBER = "member"
    TASK_TYPE = "task_type"


class Period(StrEnum):
    """How long a budget lasts until it begins anew, in UTC."""

    DAY = "day"
    MONTH = "month"


class SegmentKind(StrEnum):
    """What a piece of a document is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE_ROW = "table_row"
    FOOTNOTE = "footnote"
    COMMENT = "comment"
    HEADER = "header"
    CODE = "code"
    SLIDE = "slide"
    """What a slide or a page shows beside its text: a chart's figures, a diagram, the description of a picture."""
    NOTES = "notes"
    CELL_RANGE = "cell_range"
    """What code worked out over a range of cells: its columns and their statistics."""
    MAIL_PART = "mail_part"
    """A mail's headers, or what it quotes of an earlier one."""
