"""The door through which work comes that nobody sends: pulled sources, each with its lease, and schedules.

    owner    one poller per enabled source, following the view; stop within a grace
    poller   the loop that all kinds share: slot → fetch → deliver
    delivery one item: kept alive, admitted, worked, settled
    kind     what a kind must say; step_functions is one
    outcome  what an answer means for a task; pure
    aws      the only file that knows boto3

    cron     what nobody pulls: runs by schedule, planned by the one node that has the role
      cron_planner  what is due, and whose it is      cron_runs  the runs open here      cron_recorder  how they ended

A source's requests go to components by the same pools and limits as everybody's (`activation.work`).
"""
