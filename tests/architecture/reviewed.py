"""What has been looked at and found right; a change of the schema that differs from it is looked at anew."""

from dataclasses import dataclass

UNSECURED = {
    "alembic_version": {"app": "SELECT", "system": "SELECT"},
    "configuration_revision": {"app": "SELECT", "system": "SELECT"},
    # Read before a tenant is known; changed only by the functions below, each for its session's tenant.
    "tenants": {"app": "SELECT", "system": "SELECT", "eraser": "SELECT"},
    # Of the installation, not of a tenant.
    "schedules": {"system": "SELECT INSERT UPDATE"},
    "worker_heartbeats": {"system": "SELECT INSERT UPDATE DELETE"},
}
"""Tables without row-level security, and every right that a process has on them."""

ERASER = {
    # An entry stays when its member goes: what names the person goes out of it, and the erasure goes in.
    "audit_entries": {
        "SELECT": "actor address address_salt action",
        "UPDATE": "actor_member_id target_member_id address address_salt",
        "INSERT": "tenant_id id actor_kind actor_member_id address address_salt address_digest action"
        " target_type target_id target_member_id detail",
    },
    # With the key that pseudonyms are made with, nobody finds the person behind one any more.
    "audit_chains": {"SELECT": "wrapped_pseudonym_key", "UPDATE": "wrapped_pseudonym_key"},
    "audit_pseudonyms": {"SELECT": "pseudonym"},
    # Its own record of what it does.
    "erasures": {
        "SELECT": "by_operator phase removed proof",
        "UPDATE": "requested_by state phase swept_at finished_at removed proof",
    },
    "retention_runs": {"INSERT": "tenant_id ran_at removed", "UPDATE": "ran_at removed"},
    "tenant_policies": {"SELECT": "retention_days"},
    # The sums stay, under a pseudonym.
    "model_calls": {"UPDATE": "member_id"},
    "tenants": {"SELECT": "id state"},
}
"""What the eraser may beyond deleting rows of the tenant it works on and finding them."""


@dataclass(frozen=True)
class Function:
    """Who may run a function, and whether with the owner's rights."""

    executors: tuple[str, ...] = ()
    with_owners_rights: bool = True


FUNCTIONS = {
    # Fired by changes of configuration; counts up and notifies.
    "raise_configuration_revision()": Function(),
    # Takes one member's person out of the session's tenant.
    "forget_member(uuid)": Function(("switchboard_eraser",)),
    # Shuts the session's tenant, along one way: erasing, then erased.
    "change_tenant_erasure(text)": Function(("switchboard_eraser",)),
    # The session's tenant alone, along its states; see the revision that made them.
    "invite_tenant(uuid,text)": Function(("switchboard_app",)),
    "change_tenant_state(text,text,text)": Function(("switchboard_app",)),
    "change_tenant_settings(integer,text,boolean,boolean,integer)": Function(("switchboard_app",)),
    # Fired before a chained entry would be changed or deleted; refuses.
    "keep_audit_entries()": Function(with_owners_rights=False),
    # Fired by changes of people's roles and states, and of programs; notifies.
    "tell_of_people()": Function(with_owners_rights=False),
    # Fired before a published revision of a pool, or its members, would be changed or deleted; refuse.
    "keep_published_revision()": Function(with_owners_rights=False),
    "keep_published_members()": Function(with_owners_rights=False),
}

SEALED = (
    ("documents", "sealed_name sealed_source sealed_labels"),
    ("document_parts", "content"),
    ("upload_sessions", "sealed_name sealed_sha256"),
    ("upload_parts", "content"),
    ("batch_items", "sealed_source"),
    ("batch_schedules", "sealed_request"),
    ("job_file_parts", "content"),
    ("jobs", "sealed_parameters sealed_result"),
    ("job_steps", "sealed_answer sealed_input sealed_output"),
    ("provider_credentials", "sealed"),
    ("token_caches", "sealed_cache"),
    ("webhooks", "sealed_secret sealed_previous_secret"),
    ("evaluation_sets", "sealed_cases"),
    ("evaluation_answers", "sealed_answer"),
    ("job_feedback", "sealed_comment"),
    ("wordings", "sealed_body"),
)
"""Columns of content and secrets: sealed with the tenant's data key."""

WRAPPED = {"tenant_keys.wrapped"}
"""A tenant's data key, wrapped by a key that is not in this database."""

CONTENT = {f"{table}.{column}" for table, columns in SEALED for column in columns.split()} | WRAPPED

NOT_CONTENT = (
    # Keys wrapped by the key-encryption key, and the names of the latter.
    ("tenant_keys", "wrapping_key wrapped"),
    ("audit_chains", "wrapping_key wrapped_chain_key pseudonym_wrapping_key wrapped_pseudonym_key"),
    # MACs of the audit record, and digests with a key or salt: they tell nothing without it.
    ("audit_chains", "mac"),
    ("audit_entries", "previous_mac mac address_salt address_digest"),
    ("documents", "sha256"),
    ("evaluation_runs", "digest"),
    ("evaluation_sets", "digest"),
    ("batch_items", "source_digest"),
    ("job_steps", "input_hash"),
    ("jobs", "sticky_key"),
    ("idempotency_keys", "request_hash"),
    ("token_caches", "session_key"),
    # Words of our own: states, kinds, codes, names of parts of the product; a language; a currency.
    ("app_clients", "permissions state"),
    ("audit_entries", "actor_kind action target_type target_id"),
    ("batch_schedules", "task_type time_zone weekdays last_error"),
    ("budgets", "scope subject period currency"),
    ("dispatch_member_turns", "lane"),
    ("dispatch_turns", "lane"),
    ("documents", "media_type language"),
    ("erasures", "state phase"),
    ("evaluation_runs", "task_type"),
    ("evaluation_scores", "outcome reason currency"),
    ("job_feedback", "thumb"),
    ("job_steps", "task_type kind lane state"),
    ("jobs", "task_type host lane state waiting_reason language on_dead phase"),
    ("members", "role state"),
    ("model_calls", "outcome error_code error_detail currency task_type"),
    ("model_pools", "task_type"),
    ("notices", "kind owner"),
    ("pool_members", "purpose"),
    ("pool_revisions", "strategy"),
    ("price_revisions", "currency"),
    ("prompt_sets", "task_type"),
    ("routes", "task_type"),
    ("schedules", "name"),
    ("task_permissions", "task_type roles"),
    ("tenants", "state"),
    ("upload_sessions", "refused_code"),
    ("webhook_deliveries", "event_type state last_error"),
    ("webhooks", "events state"),
    ("wordings", "kind"),
    # Sentences and records that our code makes from codes, ids and figures; app/documents/errors.py and
    # app/llm/errors.py say that theirs never hold a document's name or text, a prompt or an answer.
    ("audit_entries", "detail"),
    ("documents", "findings notes"),
    ("evaluation_runs", "members"),
    ("evaluation_scores", "scores"),
    ("erasures", "removed proof"),
    ("batch_items", "error"),
    ("job_steps", "reservation error error_chain"),
    ("jobs", "route_reason decision error estimate waiting_for"),
    ("model_calls", "charges"),
    ("notices", "pools money"),
    ("retention_runs", "removed"),
    ("schedules", "last_error last_note"),
    ("upload_sessions", "refused_message"),
    ("webhook_deliveries", "payload"),
    # Chosen by a client to name one request.
    ("idempotency_keys", "key"),
    # Chosen by an operator to name a file of cases, a case of it, a member.
    ("evaluation_runs", "data_set"),
    ("evaluation_scores", "member case_id"),
    ("evaluation_sets", "name"),
    # Written by administrators to configure the product, and read by everybody whom it serves.
    ("app_clients", "name"),
    ("deployments", "name model_name model_class capabilities languages lifecycle supported_parameters"),
    ("legal_holds", "reason"),
    ("model_calls", "provider_name request_model pool_name vendor"),
    ("model_pools", "name"),
    ("notices", "subject_name"),
    ("pool_members", "parameters"),
    ("pool_revisions", "note"),
    ("prompt_sets", "name sha256 prompts"),
    ("provider_credentials", "reference last4"),
    ("providers", "name kind vendor base_url region processor authentication api_version"),
    ("routes", "name conditions"),
    ("tenant_policies", "allowed_regions allowed_processors allowed_vendors allowed_model_classes"),
    ("task_permissions", "groups departments"),
    ("tenants", "name suspended_reason"),
    ("wordings", "name"),
    ("webhooks", "url"),
    # Who somebody is and where a request came from, not what they write; goes with the member's erasure.
    ("audit_entries", "actor address"),
    ("audit_pseudonyms", "pseudonym"),
    ("members", "display_name groups department"),
)
"""Columns that could hold content and do not, by the reason why."""
