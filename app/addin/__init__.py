"""DOOR 1, /addin/v1: task types, documents, jobs and their event streams, for people in Office.

Owns: the add-in's contract. Never: cookies, decisions of the rooms behind it.
"""
