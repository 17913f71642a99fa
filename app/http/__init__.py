"""What doors share: the guard, problem responses, the session of a request, health, request ids.

Owns: HTTP's shape. Never: decides anything that a room should decide.
"""
