"""What leases cost: statements that nodes really send, and how long each takes, as leases and nodes grow.

`make bench-leases` prints two tables per database.

*Sent*: real keepers, several in one process, with all their leases granted. Counted are the transactions that reach the
driver, over a few ticks: at rest, and while every lease has work that begins all the time. Renewals are those that
extend or confirm leases, or only beat: one a node and tick at rest, about one a second under load, whatever the number
of leases. The rest are looks at what other nodes have written.

*Milliseconds*: the same statements as one node sends them, one after the other, with all rows of the cluster in the
tables: a renewal of all leases of the node, a bare beat, and a look.
"""
