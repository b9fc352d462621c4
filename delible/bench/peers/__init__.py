"""Systems that are measured beside ours: one file each, run by `worker.py` in an environment of its own.

But for `ours.py` they import nothing of ours: in their environments there is no Delible.
"""
