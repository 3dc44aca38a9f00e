"""What a client costs that only keeps its connection, and what happens at a component's concurrency limit.

`make bench-queue`, or `python -m benchmarks.queue [--idle N] [--seconds S]`. One gateway process over real sockets, one
component of 256 slots whose every answer takes 100 ms. More clients than slots can only wait; how much longer than they
must, and how much of the slots' time is lost, is printed. Loopback only, under a minute.
"""
