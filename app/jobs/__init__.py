"""Accepted work: jobs and their steps, from accept to the stored result.

Owns: jobs, job_inputs, job_steps, job_feedback, batch_items, batch_schedules, idempotency_keys, dispatch_turns,
dispatch_member_turns, worker_heartbeats; the event streams.
Promises: work that was accepted is never lost, and a step's output is written once.
Never: calls a model, talks to the broker, reads a document, knows HTTP.
"""
