"""What the assistant does: one file per task type, and what their handlers share.

Owns the task types with their parameters, steps and prompts, chunking, datamarking, citations and
the checks before delivery; the runner joins them to jobs, llm, documents and pools.
Never talks HTTP or to a vendor; a handler has no database, network or tools, only its StepContext.
Others use `catalog.task_types()`, `prompt_files.load_prompt_files()` and `types`.
"""
