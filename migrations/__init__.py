"""Alembic migrations of the database."""

HEAD = "0036"
"""The revision that this code expects; readiness compares the database with it. A test keeps it true."""
