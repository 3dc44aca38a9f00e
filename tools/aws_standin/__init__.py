"""A local SQS and Step Functions service for the demo and the tests: MiniStack, with activities that keep AWS's rules.

MiniStack (PyPI `ministack`, MIT) runs state machines and queues; its activities, however, poll twice a second, hand
tasks to clients that have gone, and know no heartbeat, no limit and no StopExecution. Its queues hide messages that are
not in flight, answer clients that have gone, and know no way back from dead letters. This add-on replaces those parts:

    rules        AWS's limits, names and error matching; pure
    tasks        the life of a task token, and who may still end it
    activities   the API calls on activities and task tokens
    states       how Task, Map, Parallel, Wait and the executions of the engine obey the above
    queues       receiving, hiding and deleting messages
    moves        message move tasks: dead letters go back
    faults       errors that a test asks for, before the service sees the call
    server       one port on loopback, SIGTERM ends it

It opens no connection of its own and uses no Docker. It is no part of the product.
"""
