"""Containers behind one small port.

`port.Runtime` is what others see. `docker.DockerRuntime(cluster=…, node=…, private_url=…, environ=…)` is the one over a
Docker engine; `await runtime.reach()` says where the listener for containers belongs (`listen`) and how they name it
(`callback`), `runtime.private_url` may be set until the first `create`. `spec.fingerprint(component)` decides adoption,
`ready` waits for a first good answer. The port has a contract suite, which the tests' fake passes too.
"""
