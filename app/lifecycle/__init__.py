"""What becomes of data: how long it is kept, who holds it, who gets a copy, how it is erased and proven gone.

Owns: erasures, legal_holds, retention_runs. Each room names its own tables in `erasure.py` and `export.py`.
Never: opens content for anybody but the member it belongs to; deletes what a legal hold covers.
"""
