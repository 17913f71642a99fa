"""The ledger of model calls, and what they cost.

Owns: model_calls, budgets.
Promises: every request to a model has one row, written before it leaves and settled once after it.
Never: knows what a call was about; is fenced or deleted with a job.
"""
