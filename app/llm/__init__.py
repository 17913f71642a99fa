"""Talking to models: request and result types, the error tree, the call loop, one client per deployment.

Promises: one row in the ledger per request, before it leaves; an unfinished answer is a failure, never a
result; nothing but vendors' own rows and providers/ knows a vendor.
Never: chooses by itself (pools), judges an answer (its caller's `verify`), keeps a prompt or an answer.
"""
