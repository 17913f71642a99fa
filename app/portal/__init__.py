"""DOOR 2, /portal/v1: administrators of tenants, auditors and the platform's operators, in a browser.

Owns: sign-in and sign-out, and which role may do what. Never: shows what is in a document or a job.
"""
