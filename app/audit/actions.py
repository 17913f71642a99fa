"""What can be recorded: one word pair for each thing that happens. The values are part of the record."""

from enum import StrEnum


class AuditAction(StrEnum):
    """Noun and verb. A value that entries bear is never changed or given another meaning."""

    SIGN_IN = "session.begin"
    SIGN_OUT = "session.end"
    SIGN_IN_REFUSED = "session.refuse"

    TENANT_INVITE = "tenant.invite"
    TENANT_CONSENT = "tenant.consent"
    TENANT_ONBOARD = "tenant.onboard"
    TENANT_SUSPEND = "tenant.suspend"
    TENANT_RESUME = "tenant.resume"
    TENANT_SETTINGS = "tenant.settings"
    TENANT_ERASE = "tenant.erase"
    """An erasure of the whole tenant begins. From here on its entries may lose their addresses."""

    MEMBER_ROLE = "member.role"
    MEMBER_BLOCK = "member.block"
    MEMBER_UNBLOCK = "member.unblock"
    MEMBER_EXPORT = "member.export"
    MEMBER_ERASE = "member.erase"
    """An erasure of this member begins. From here on its entries may lose their addresses."""

    ERASURE_REQUEST = "erasure.request"
    ERASURE_CANCEL = "erasure.cancel"
    ERASURE_FINISH = "erasure.finish"
    HOLD_PLACE = "hold.place"
    HOLD_RELEASE = "hold.release"

    APP_CLIENT_REGISTER = "app_client.register"
    APP_CLIENT_REVOKE = "app_client.revoke"
    CREDENTIAL_SET = "credential.set"
    CREDENTIAL_CLEAR = "credential.clear"
    KEY_ROTATE = "key.rotate"
    GRAPH_SESSION_BEGIN = "graph_session.begin"
    GRAPH_SESSION_REVOKE = "graph_session.revoke"

    DOCUMENT_UPLOAD = "document.upload"
    DOCUMENT_DELETE = "document.delete"
    JOB_ACCEPT = "job.accept"
    JOB_CANCEL = "job.cancel"
    JOB_FINISH = "job.finish"
    """Detail holds the state and which pool, deployment, provider and model served."""
