"""The queue's door: Celery, the persistent loop, the worker, the relay and the reaper.

Owns: the processes, Celery's configuration. Never: the rules of the work itself, which live in app/.
"""
