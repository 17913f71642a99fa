"""Who is calling: tokens, signing keys, the principal, signing in.

Owns: the rules by which a token is believed. Never: decides what a caller may see of a tenant's rows.
"""
