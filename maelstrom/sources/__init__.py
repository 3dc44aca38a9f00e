"""The door through which work comes that nobody sends: pulled sources, each with its lease, and schedules.

    owner    one poller per enabled source, following the view; stop within a grace
    poller   the loop that all kinds share: slot → fetch → deliver
      health, breadth  when to fetch again, and how many fetches at once      seats  what fetches take of the lease
    series   items that are worked one after the other: most often a single one
    delivery one item: kept alive, admitted, worked, settled
    kind     what a kind must say

    outcome  what an answer means for a task; pure

    step_functions/  tasks: how they are worked, how and when they are answered
    sqs/             messages: which queue is asked next (`walk`), hidden, deleted, shown again (`custody`), what is
                     said of them ten at a time (`batches`), tasks that come in them, dead letters
    aws/             the only files that know boto3: clients, errors, the calls of each service
    cron/            what nobody pulls: runs by schedule, planned by the one node that has the role (`planner`), the
                     runs open here (`runs`), how they ended (`recorder`)

A source's requests go to components by the same pools and limits as everybody's (`activation.work`).
"""
