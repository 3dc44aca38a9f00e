"""The bare loop, a process of its own: threads that receive and delete until nothing is left.

    python -m benchmarks.sources.bare QUEUE-URL THREADS MESSAGES one|ten

Says "ready", begins at a line on standard input, prints the seconds that it took.
"""

from __future__ import annotations

import sys
import threading
import time

import boto3
from botocore.config import Config


def main() -> None:
    url, threads, messages, way = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    client = boto3.client("sqs", config=Config(max_pool_connections=threads))
    client.list_queues()  # a connection, models and credentials are there
    left, lock, done = messages, threading.Lock(), threading.Event()
    ended = 0.0

    def work() -> None:
        nonlocal left, ended
        while not done.is_set():
            found = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
            receipts = [message["ReceiptHandle"] for message in found]
            if way == "one":
                for receipt in receipts:
                    client.delete_message(QueueUrl=url, ReceiptHandle=receipt)
            elif receipts:
                entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts)]
                client.delete_message_batch(QueueUrl=url, Entries=entries)
            with lock:
                left -= len(receipts)
                if left <= 0 and not done.is_set():
                    ended = time.monotonic()
                    done.set()

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.monotonic()
    for worker in workers:
        worker.start()
    done.wait()
    print(ended - begun, flush=True)


main()
