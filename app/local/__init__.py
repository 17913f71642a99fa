"""The embedded default for one machine: Postgres, Valkey, a small model, a development Entra, supervisor.

Owns: the state folder, the processes it starts, the development Entra's people and keys.
Never: part of a production image (the extra `local`), and nothing outside this room depends on it but the CLI.
"""
