"""What the cluster remembers: projects, components, event sources and their history, in SQLite or PostgreSQL.

`Registry` is the way in, `View` the node's own copy of it, `CronLedger` says which planned times were fired. Only this
folder and `leases` know SQL.
"""
