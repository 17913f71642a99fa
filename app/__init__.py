"""Switchboard: the backend of an Office-style assistant that depends on no single model vendor."""

import gc

# A process of ours holds half a million objects for good once it has loaded its libraries. With Python's own
# threshold of 700, looking through them for garbage takes a fifth of each start.
gc.set_threshold(50_000, 20, 20)
