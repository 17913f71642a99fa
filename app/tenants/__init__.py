"""Who the customers are: tenants, their members, their policy, their data keys.

Owns: tenants, members, tenant_policies, tenant_keys. Never: verifies a token, reads content.
"""
