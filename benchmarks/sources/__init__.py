"""How many SQS messages a second a node works with an instant component, beside a bare loop of boto3 in threads.

    python -m benchmarks.sources [--rounds 5] [--messages 1000] [--threads 10] [--limit 100]

Each round fills a queue for each way in turn, against the same local service (tools/aws_standin), so that whatever else
the machine does hits all of them. The bare loops receive ten messages at a time and delete them, one by one as most
programs do, or ten at once; they do no work. The node receives, starts one request per message to a container, and
deletes; with as many messages at a time as the bare loop has threads times ten.
"""
