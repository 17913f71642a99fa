"""What each operation of the API that changes something leaves in the audit record, and which leave nothing, and why.

A new operation belongs into one of the two tables; `test_operations.py` fails until it is, and until a story there
calls it and finds its entry.
"""

from app.audit.actions import AuditAction

_UPLOAD, _ACCEPT, _CANCEL = AuditAction.DOCUMENT_UPLOAD, AuditAction.JOB_ACCEPT, AuditAction.JOB_CANCEL

RECORDS: dict[str, set[AuditAction]] = {
    "POST /addin/v1/documents": {_UPLOAD},
    "POST /addin/v1/documents/drive-items": {_UPLOAD},
    "PUT /addin/v1/upload_sessions/{session_id}": {_UPLOAD},
    "POST /addin/v1/jobs": {_ACCEPT},
    "POST /addin/v1/jobs/{job_id}/cancel": {_CANCEL},
    "POST /addin/v1/jobs/{job_id}/resume": {AuditAction.JOB_RESUME},
    "POST /addin/v1/graph-sessions": {AuditAction.GRAPH_SESSION_BEGIN},
    "POST /addin/v1/graph-sessions/{session_id}/renew": {AuditAction.GRAPH_SESSION_RENEW},
    "DELETE /addin/v1/graph-sessions/{session_id}": {AuditAction.GRAPH_SESSION_REVOKE},
    "GET /addin/v1/me/export": {AuditAction.MEMBER_EXPORT},
    "POST /automation/v1/documents": {_UPLOAD},
    "PUT /automation/v1/upload_sessions/{session_id}": {_UPLOAD},
    "POST /automation/v1/jobs": {_ACCEPT},
    "POST /automation/v1/jobs/{job_id}/cancel": {_CANCEL},
    "GET /portal/v1/sign-in/callback": {AuditAction.SIGN_IN},
    "POST /portal/v1/sign-out": {AuditAction.SIGN_OUT},
    "POST /portal/v1/sign-out-everywhere": {AuditAction.SIGN_OUT},
    "POST /portal/v1/app-clients": {AuditAction.APP_CLIENT_REGISTER},
    "DELETE /portal/v1/app-clients/{app_client_id}": {AuditAction.APP_CLIENT_REVOKE},
    "POST /portal/v1/budgets": {AuditAction.BUDGET_CREATE},
    "PATCH /portal/v1/budgets/{budget_id}": {AuditAction.BUDGET_CHANGE},
    "DELETE /portal/v1/budgets/{budget_id}": {AuditAction.BUDGET_DELETE},
    "POST /portal/v1/erasures": {AuditAction.ERASURE_REQUEST},
    "POST /portal/v1/erasures/{erasure_id}/cancel": {AuditAction.ERASURE_CANCEL},
    "DELETE /portal/v1/graph-sessions/{session_id}": {AuditAction.GRAPH_SESSION_REVOKE},
    "POST /portal/v1/holds": {AuditAction.HOLD_PLACE},
    "POST /portal/v1/holds/{hold_id}/release": {AuditAction.HOLD_RELEASE},
    "PATCH /portal/v1/members/{member_id}": {
        AuditAction.MEMBER_ROLE,
        AuditAction.MEMBER_BLOCK,
        AuditAction.MEMBER_UNBLOCK,
    },
    "POST /portal/v1/notices/{notice_id}/acknowledge": {AuditAction.NOTICE_ACKNOWLEDGE},
    "POST /portal/v1/webhooks": {AuditAction.WEBHOOK_CREATE},
    "PATCH /portal/v1/webhooks/{webhook_id}": {AuditAction.WEBHOOK_CHANGE},
    "DELETE /portal/v1/webhooks/{webhook_id}": {AuditAction.WEBHOOK_DELETE},
    "POST /portal/v1/webhooks/{webhook_id}/test": {AuditAction.WEBHOOK_TEST},
    "PATCH /portal/v1/settings": {AuditAction.TENANT_SETTINGS},
    "POST /portal/v1/deployments": {AuditAction.DEPLOYMENT_CREATE},
    "PATCH /portal/v1/deployments/{deployment_id}": {AuditAction.DEPLOYMENT_CHANGE},
    "POST /portal/v1/deployments/{deployment_id}/archive": {AuditAction.DEPLOYMENT_ARCHIVE},
    "POST /portal/v1/deployments/{deployment_id}/prices": {AuditAction.PRICE_ADD},
    "POST /portal/v1/deployments/{deployment_id}/probe": {AuditAction.DEPLOYMENT_PROBE},
    "POST /portal/v1/prompt-sets": {AuditAction.PROMPT_SET_CREATE},
    "POST /portal/v1/providers": {AuditAction.PROVIDER_CREATE},
    "PATCH /portal/v1/providers/{provider_id}": {AuditAction.PROVIDER_CHANGE},
    "POST /portal/v1/providers/{provider_id}/archive": {AuditAction.PROVIDER_ARCHIVE},
    "PUT /portal/v1/providers/{provider_id}/credential": {AuditAction.CREDENTIAL_SET},
    "DELETE /portal/v1/providers/{provider_id}/credential": {AuditAction.CREDENTIAL_CLEAR},
    "POST /portal/v1/pools": {AuditAction.POOL_CREATE},
    "PATCH /portal/v1/pools/{pool_id}": {AuditAction.POOL_CHANGE},
    "POST /portal/v1/pools/{pool_id}/revisions": {AuditAction.POOL_DRAFT},
    "PATCH /portal/v1/pools/{pool_id}/revisions/{number}": {AuditAction.POOL_DRAFT},
    "DELETE /portal/v1/pools/{pool_id}/revisions/{number}": {AuditAction.POOL_DRAFT},
    "POST /portal/v1/pools/{pool_id}/revisions/{number}/publish": {AuditAction.POOL_PUBLISH},
    "POST /portal/v1/pools/{pool_id}/revert": {AuditAction.POOL_REVERT},
    "POST /portal/v1/routes": {AuditAction.ROUTE_CREATE},
    "PUT /portal/v1/routes/{route_id}": {AuditAction.ROUTE_CHANGE},
    "DELETE /portal/v1/routes/{route_id}": {AuditAction.ROUTE_DELETE},
    "POST /portal/v1/tenants": {AuditAction.TENANT_INVITE},
    "POST /portal/v1/tenants/{tenant_id}/suspend": {AuditAction.TENANT_SUSPEND},
    "POST /portal/v1/tenants/{tenant_id}/resume": {AuditAction.TENANT_RESUME},
    "POST /portal/v1/tenants/{tenant_id}/erase": {AuditAction.ERASURE_REQUEST},
}
"""Reads that hand out what is kept, or let somebody in, are here too."""

WITHOUT: dict[str, str] = {
    "POST /addin/v1/estimates": "reads what the caller has and writes nothing",
    "POST /addin/v1/upload_sessions": "nothing has arrived; its last part makes the document and is recorded",
    "DELETE /addin/v1/upload_sessions/{session_id}": "drops parts that were no document; a document stays",
    "POST /automation/v1/upload_sessions": "as at the add-in's door",
    "DELETE /automation/v1/upload_sessions/{session_id}": "as at the add-in's door",
    "POST /portal/v1/pools/{pool_id}/revisions/{number}/validate": "judges a revision and changes nothing",
    "POST /portal/v1/onboarding": "gives an address at Entra; consent and onboarding are recorded when they are proven",
}
