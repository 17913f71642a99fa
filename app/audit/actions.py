"""What can be recorded: one word pair for each thing that happens. The values are part of the record.

After a change: `python -m tests.audit.test_actions` writes the table of docs/audit.md anew.
"""

from enum import StrEnum
from typing import Self


class AuditAction(StrEnum):
    """Noun and verb, and what it means. A value that entries bear is never changed or given another meaning."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """Keep the meaning beside the value."""
        made = str.__new__(cls, value)
        made._value_ = value
        made.meaning = meaning
        return made

    SIGN_IN = "session.begin", "a person signed in at the portal"
    SIGN_OUT = "session.end", "a person signed out, in one browser or everywhere"
    SIGN_IN_REFUSED = "session.refuse", "a guest or a blocked member was not let in at the portal"

    TENANT_INVITE = "tenant.invite", "the operator invited a directory"
    TENANT_CONSENT = "tenant.consent", "an administrator's consent was proven"
    TENANT_ONBOARD = "tenant.onboard", "the tenant became active"
    TENANT_SUSPEND = "tenant.suspend", "the operator suspended the tenant"
    TENANT_RESUME = "tenant.resume", "the operator let the tenant in again"
    TENANT_SETTINGS = "tenant.settings", "settings were changed"
    TENANT_ERASE = (
        "tenant.erase",
        "the tenant's erasure began; from here on its entries may lose their addresses",
    )

    MEMBER_ROLE = "member.role", "a member was given another role"
    MEMBER_BLOCK = "member.block", "a member was blocked"
    MEMBER_UNBLOCK = "member.unblock", "a member was let in again"
    MEMBER_EXPORT = "member.export", "a member took a copy of what is theirs"
    MEMBER_ERASE = (
        "member.erase",
        "a member's erasure began; from here on the member's entries may lose their addresses",
    )

    ERASURE_REQUEST = "erasure.request", "the erasure of a member or of the tenant was asked for"
    ERASURE_CANCEL = "erasure.cancel", "that request was taken back"
    ERASURE_FINISH = "erasure.finish", "the erasure is done, with what a sweep found"
    HOLD_PLACE = "hold.place", "a legal hold was placed"
    HOLD_RELEASE = "hold.release", "a legal hold was released"

    APP_CLIENT_REGISTER = "app_client.register", "a program was registered"
    APP_CLIENT_REVOKE = "app_client.revoke", "a program was revoked"
    DEPLOYMENT_CREATE = "deployment.create", "a model at a vendor account was set up"
    DEPLOYMENT_CHANGE = "deployment.change", "a deployment was changed, with what and how"
    DEPLOYMENT_ARCHIVE = "deployment.archive", "a deployment was put away"
    DEPLOYMENT_PROBE = "deployment.probe", "a deployment was called once, to see whether it answers"
    PRICE_ADD = "price.add", "another price of a deployment counts from then on"
    PRICE_WITHDRAW = "price.withdraw", "the tenant's own prices of a deployment count no more"
    PROMPT_SET_CREATE = "prompt_set.create", "a revision of a task type's prompts was added, with its hash"
    PROMPT_SET_ARCHIVE = (
        "prompt_set.archive",
        "a revision of prompts was put away by an import, or taken back",
    )
    PROVIDER_CREATE = "provider.create", "a vendor account was set up"
    PROVIDER_CHANGE = "provider.change", "a vendor account was changed, with what and how"
    PROVIDER_ARCHIVE = "provider.archive", "a vendor account was put away"
    CREDENTIAL_SET = "credential.set", "a provider's key was entered, without the key"
    CREDENTIAL_CLEAR = "credential.clear", "a provider's key was removed"
    POOL_CREATE = "pool.create", "a model pool was made"
    POOL_CHANGE = "pool.change", "a pool was renamed, archived or taken out of the archive"
    POOL_DRAFT = "pool.draft", "a draft of a pool was made, changed or deleted, with its revision number"
    POOL_PUBLISH = "pool.publish", "a draft was published and serves from then on"
    POOL_REVERT = "pool.revert", "a revision that was published before serves again"
    ROUTE_CREATE = "route.create", "a route was made"
    ROUTE_CHANGE = "route.change", "a route was changed"
    ROUTE_DELETE = "route.delete", "a route was deleted"
    WORDING_CHANGE = (
        "wording.change",
        "a glossary, the style guide or a template was written, without its text",
    )
    WORDING_DELETE = "wording.delete", "a glossary, the style guide or a template was deleted"
    POLICY_CHANGE = "policy.change", "where the tenant's text may go was changed, with the new lists"
    TASK_PERMISSION_CHANGE = "task_permission.change", "who may use a task type was changed"
    CONFIGURATION_EXPORT = "configuration.export", "the tenant's configuration was exported, without keys"
    CONFIGURATION_IMPORT = (
        "configuration.import",
        "a configuration was imported, with how many of what it changed; each has its own entry with `imported`",
    )
    KEY_ROTATE = "key.rotate", "a key was wrapped anew, got a new version, or values were sealed anew with it"
    BUDGET_CREATE = "budget.create", "a budget was set, with its limits"
    BUDGET_CHANGE = "budget.change", "a budget's limits were changed, with what they were before"
    BUDGET_DELETE = "budget.delete", "a budget was deleted"
    COST_OVERRUN = (
        "cost.overrun",
        "a deployment's vendor counted more than was reserved, for the first time on a day, with both sums until then",
    )
    BUDGET_EXCEED = (
        "budget.exceed",
        "that carried a budget past its hard limit, with the limit and what was spent",
    )
    LEDGER_REPAIR = "ledger.repair", "the operator set a budget's sums to those of the calls charged to it"
    GRAPH_SESSION_BEGIN = "graph_session.begin", "a member let jobs read their files while they are away"
    GRAPH_SESSION_RENEW = "graph_session.renew", "the member proved again who they are"
    GRAPH_SESSION_REVOKE = "graph_session.revoke", "that leave was revoked"

    NOTICE_ACKNOWLEDGE = "notice.acknowledge", "an administrator has seen a notice"

    WEBHOOK_CREATE = "webhook.create", "a webhook was made, with a fresh secret"
    WEBHOOK_CHANGE = "webhook.change", "a webhook's address, events or state was changed"
    WEBHOOK_ROTATE = (
        "webhook.rotate",
        "a webhook was given a fresh secret, with how long the one before signs too",
    )
    WEBHOOK_DELETE = "webhook.delete", "a webhook was deleted"
    WEBHOOK_TEST = "webhook.test", "a test message was sent to a webhook"

    DOCUMENT_UPLOAD = "document.upload", "a document was uploaded or fetched from Microsoft 365"
    DOCUMENT_DELETE = "document.delete", "a document was deleted because its time was over"
    JOB_ACCEPT = "job.accept", "a job was submitted, or with `batch` a batch of jobs"
    JOB_RESUME = "job.resume", "a member let a waiting job go on"
    JOB_CANCEL = "job.cancel", "a job was cancelled"
    JOB_FINISH = (
        "job.finish",
        "a job ended, with its state and which pool, deployment, provider and model served",
    )
    JOB_REMOVE = (
        "job.remove",
        "a member removed an own job with its content, and how many documents went with it",
    )
    JOB_DELETE = "job.delete", "a job and its result were deleted because their time was over"

    BATCH_SCHEDULE_CREATE = "batch_schedule.create", "a member let a batch come round again"
    BATCH_SCHEDULE_CHANGE = "batch_schedule.change", "a member changed what or when that is"
    BATCH_SCHEDULE_DELETE = "batch_schedule.delete", "a member ended that"

    AUDIT_EXPORT = "audit.export", "the operator exported the tenant's entries"
    AUDIT_IDENTIFY = "audit.identify", "the operator looked up a member's pseudonym"
