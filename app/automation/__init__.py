"""DOOR 4, /automation/v1: documents and jobs for programs of a tenant that act for themselves.

Owns: which of the add-in's operations a program may use, and that no person's token opens them.
Never: acts for a person, follows a person's documents or jobs: a program has a member row of its own.
"""
