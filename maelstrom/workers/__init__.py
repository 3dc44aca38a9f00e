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

A claim of a lent slot costs no message. What a worker has not used for half a second goes back; so an instance that has
no slots lent is idle, and may be stopped. Where none is left the waiter queues in the worker, and *asks*: a waiter of
the same worker queues for it in the main pool. So all wait in one line, whichever process they came to, and whatever
waits starts containers, is refused when the queue is full or its deadline would be missed, or told why a start failed.

While somebody else waits, a worker is *pressed*: it keeps nothing that is free. But where requests are short, a slot
would travel longer than it is used. So a pressed worker may pass slots on to its own waiters, for a *stint*; and its
waiters are *quiet* for a while before they ask, where asking would not help. As long as all are served within that
while, hardly anything is said, and each worker works with the slots that it has. What holds all the same:

4. Within STINT_SECONDS of being pressed a worker has given back every slot that it had, in even steps, or is still busy
   with the request that had it at its turn. The main process gives each to the first of its line.
5. Nobody is quiet for more than QUIET_SECONDS, or where his worker has no slot in use.
6. In one worker who came first is first. Between workers a request may be overtaken by those that came to another one
   up to QUIET_SECONDS after it, and by later ones for one stint and the requests that run at its end: this follows from
   4, because a worker gets no more slots before it once its own waiters have all come later. (That they have left or
   been served is said when something else is, some ms later at most.)
7. Where a component asks for fairness, turns over its keys are decided in the one line: nobody is quiet, and a pressed
   worker gives back each slot as it becomes free.
8. Deadlines and `maxqueue` are judged in the one line, by its own measure: workers tell with each slot that is back,
   and ten times a second, how many requests have ended. A worker alone refuses nobody for his deadline. The quiet are
   not in the line; scaling counts them, as they are told ten times a second.

`tests/unit/workers` shows 1 to 3 under any order of messages, deaths and losses (`test_lent_slots.py`), 1 to 6 in
virtual time, with mistakes that must be found (`test_simulation.py`), and 4 to 8 one by one (`test_stints.py`).

`lender` and `branch`, `lent`, `wants` and `borrower`, `counts`, `messages`, `briefing` and `orphans` decide, without
any input or output; `line` is the socket between the two, `headcount` the memory in which workers count the connections
of each client, `worker` one process, `seat` its place in the main process, `crew` all of them.
"""
