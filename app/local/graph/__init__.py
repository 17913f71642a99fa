"""A development Graph: the few addresses of Microsoft Graph that the product calls, on loopback.

Owns: everybody's drive with a sample memo, the download addresses, the refusals that tests turn on.
Never: believes a token that is not for Graph, or serves content to a request that carries one.
"""
