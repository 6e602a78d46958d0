"""Watch a running installation for a while, and say whether it could go on like this for ever.

Attaches to whatever `up` runs: nothing is started, stopped or changed. Memory, lag, restarts, log
lines and trades are sampled; the books are proved at random moments meanwhile.
"""
