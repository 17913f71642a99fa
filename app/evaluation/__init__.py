"""How good a pool member is at a task type, measured: cases, trials, scores, comparisons, a report.

Owns evaluation runs, the scores of their cases and tenants' own data sets. A trial goes through the handlers, the
checks, the call loop and the ledger that jobs go through, with one member and no fallback. It never changes a pool
or a route: whoever reads the figures does that.
"""
