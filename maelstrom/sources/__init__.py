"""The door through which work comes that nobody sends: pulled sources, each with its lease, their counts and states.

    owner    one poller per enabled source, following the view; stop within a grace
    poller   the loop that all kinds share: slot → fetch → deliver
    delivery one item: kept alive, admitted, worked, settled
    kind     what a kind must say; step_functions is one
    outcome  what an answer means for a task; pure
    aws      the only file that knows boto3

A source's requests go to components by the same pools and limits as everybody's (`activation.work`).
"""
