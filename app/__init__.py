"""Switchboard: the backend of an Office-style assistant that depends on no single model vendor."""
