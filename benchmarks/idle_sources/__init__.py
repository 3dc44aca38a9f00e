"""What sources cost that have nothing to do: memory and CPU of one maelstromd whose polls are all open.

Half of them are Step Functions activities, half SQS queues, on SQLite, against the stand-in of AWS, so without TLS.
`python -m benchmarks.idle_sources --seconds 45`; ends with 1 if a bound is not kept.
"""
