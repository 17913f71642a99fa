"""What administrators must know in time: models and contracts that end, pools that would be left empty, money past its limit.

Owns: notices, webhooks, webhook_deliveries.
Promises: each notice is written once, 90, 30 and 7 days before the end and when it has come (of money once a day or
a budget's period), and is sent at least once, signed, to every webhook that wants it, unless the receiver stays away for a day.
Never: decides who serves; that a member has ended is decided by pools, second by second.
"""
