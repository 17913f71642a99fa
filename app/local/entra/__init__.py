"""A development Entra: a server on loopback that behaves like Microsoft Entra v2 towards our own code.

Owns: its certificate authority, its signing keys, the sign-ins in its memory; its people come from the seed.
Never: asks for a password, listens beyond loopback, or runs in production.
"""
