"""What the cluster remembers: projects, components, event sources and their history, in SQLite or PostgreSQL.

`Registry` is the way in, `View` the node's own copy of it. Only this folder and `leases` know SQL.
"""
