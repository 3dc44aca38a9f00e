"""The admin API: its server, its metrics, and the client that `maelctl` uses.

The package itself imports nothing, so that the client costs no server.

For the daemon::

    server = AdminServer(                     # maelstrom.api.server
        settings=AdminSettings.of(settings),  # admin_hosts, metrics_token
        token=token,                          # str, never empty
        registry=registry,                    # ports.RegistryPort: registry.Registry
        node=node,                            # ports.NodePort: what this node knows of itself and of the others
    )
    await server.start(sockets)               # that listen already
    await server.stop(grace)                  # log streams end at once, requests within the grace (s)

`metrics.render(counters.NodeNow(...))` makes the text of /metrics from plain counters (`NodePort.metrics`), and
`reports.make_report(...)` what a node writes with each beat for the others to show.
"""
