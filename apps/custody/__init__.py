"""Custody: addresses that the custodian holds for traders, and what arrives there.

One deposit's life: the custodian's signed webhook puts a row into the inbox; a worker asks the
custodian itself what happened, since a webhook's body is not the truth; each output that is ours
becomes a deposit, is credited by the engine under an identity that follows from the transfer alone,
and reaches the books through the mirror like every other event. A poll looks at the same transfers
beside that, for webhooks that never come. Invariant: one credit for each output of a real transfer,
whatever arrives how often and in whatever order.
"""
