"""The door through which work comes that nobody sends: pulled sources, each with its lease, and schedules.

    owner    one poller per enabled source, following the view; stop within a grace
    poller   the loop that all kinds share: slot → fetch → deliver
      health, breadth  when to fetch again, and how many fetches at once      seats  what fetches take of the lease
    series   items that are worked one after the other: most often a single one
    delivery one item: kept alive, admitted, worked, settled
    kind     what a kind must say

    step_functions  tasks      outcome  what an answer means for one; pure
    sqs      messages          sqs_queues  which queue is asked next      sqs_request  what a component gets, and says
      sqs_custody   hidden, deleted, shown again            sqs_batches  what is said of messages, ten at a time
      task_tokens   tasks that come in messages             reports, later  how and when tasks are answered
    aws…     the only files that know boto3: clients, errors, the calls of each service

    cron     what nobody pulls: runs by schedule, planned by the one node that has the role
      cron_planner  what is due, and whose it is      cron_runs  the runs open here      cron_recorder  how they ended

A source's requests go to components by the same pools and limits as everybody's (`activation.work`).
"""
