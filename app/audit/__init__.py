"""Who did what, when, from where and with which model: a chained record per tenant, without content.

Owns: audit_entries, audit_chains, audit_pseudonyms. Never: holds a prompt, a document, a name or a token.
`record` adds an entry in the caller's transaction; one writer (`writer.py`) chains entries afterwards.
"""
