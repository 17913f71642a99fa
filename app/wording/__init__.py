"""What an organisation lays down about words: glossaries, a style guide, templates of drafting instructions.

Owns: wordings. Promises: texts are sealed; a job keeps those that it was submitted with.
Never: asks a model, decides what a task type does with a text.
"""
