"""The public gateway in several processes, where one core is not enough: MAEL_GATEWAY_WORKERS.

The main process keeps what there must be one of: the pools with all limits, starts and stops of containers, sources,
the internal and the admin listener, and the listening sockets. A worker is a process of its own with the gateway's very
code. It accepts on the same sockets, and claims slots from pools of its own, in which an instance's limit is how many
of its slots have been *lent* to this worker.

    main process                                    worker
    pool ── lender ── line ═══ socket pair ═══ line ── borrower ── pool of lent slots ── gateway

That no container gets more requests than its limit follows from three rules:

1. A lent slot is a claim in the main pool, whether it is in use or not. So the slots of all workers, and those that the
   main process uses itself, are never more than the limit: that is the pool's own invariant.
2. A worker uses no more slots than it has, and says that one is back only when it will not use it any more.
3. If a worker dies, its slots are counted until the kernel has closed its connections (its process has been waited
   for), and beyond that as long as a container holds one of them open: only then has it ended that request.

A claim of a lent slot costs no message. Where none is left the waiter queues in the worker, and for it a waiter of the
same worker in the main pool: so all wait in one line, whichever process they came to, and whatever waits starts
containers, is refused when the queue is full, or told why a start failed. While somebody else waits, a worker is
*pressed*: it gives back each slot as it becomes free. Otherwise it passes slots on to its own waiters, and what it has
not used for half a second goes back; so an instance that has no slots lent is idle, and may be stopped.

`lender`, `lent`, `borrower`, `counts`, `messages`, `briefing` and `orphans` decide, without any input or output; `line`
is the socket between the two, `worker` one process, `seat` its place in the main process, `crew` all of them.
"""
