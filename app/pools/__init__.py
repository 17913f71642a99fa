"""Which models may serve which task: routes, pools with immutable revisions, members, prices, selection.

Owns: providers, provider_credentials, deployments, price_revisions, prompt_sets, model_pools, pool_revisions,
pool_members, routes, configuration_revision; in Redis the breakers and the limits.
Promises: a hard limit (region, processor, data terms, capability, context) holds on every hop.
Never: calls a model, knows a vendor's protocol, logs or hands out a credential but to the client it is for.
"""
