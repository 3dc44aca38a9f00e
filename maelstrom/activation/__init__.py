"""The hand-out: from "somebody needs component X" to "here is an instance, a slot of it is yours".

`service.Activation` is the way in; `pool` is its heart, sans I/O; `converge` is the loop that makes this node's
containers what they should be. Doors claim from pools and never see the loop; the loop never sees a request.
"""
