"""Command line of the benchmark; see the package's docstring."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3

from benchmarks.sources.node import Node
from tools import base_image, engine_api

IMAGE = "maelstrom-bench-sources:3"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": "eu-west-1"}
BARE = "bare, deletes one by one"
TEN = "bare, deletes ten at once"
NODE = "maelstromd"
CPU = "its CPU, ms for a message"
BODY = '{"order": 1, "text": "' + "x" * 200 + '"}'


def main() -> None:
    parser = argparse.ArgumentParser(description="Messages a second beside a bare loop of boto3.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=10, help="of the bare loop")
    parser.add_argument(
        "--limit", type=int, default=0, help="the source's maxconcurrency; default: ten times --threads"
    )
    options = parser.parse_args()
    engine_api.build(Path(__file__).parent / "image", IMAGE, {"BASE": base_image.ensure()}, {})
    command = [sys.executable, "-m", "tools.aws_standin", "--port", "0", "--until-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        environ = {**CREDENTIALS, "AWS_ENDPOINT_URL": service.stdout.readline().strip()}
        try:
            limit = options.limit or 10 * options.threads
            report(measure(environ, options.rounds, options.messages, options.threads, limit))
        finally:
            service.terminate()


def measure(environ: dict[str, str], rounds: int, messages: int, threads: int, limit: int) -> dict[str, list[float]]:
    os.environ.update(environ)
    sqs = boto3.client("sqs")
    bare = sqs.create_queue(QueueName="bare")["QueueUrl"]
    queues = [f"round-{number:03}-" for number in range(rounds + 1)]  # a poll may stay open after its round
    ours = [sqs.create_queue(QueueName=queue)["QueueUrl"] for queue in queues]
    results: dict[str, list[float]] = {BARE: [], TEN: [], NODE: [], CPU: []}
    node = Node(IMAGE, queues, limit, environ)
    try:
        worked(sqs, node, queues[0], ours[0], messages)  # opens connections, fills caches
        for queue, url in zip(queues[1:], ours[1:], strict=True):
            used = node.cpu_seconds()
            results[NODE].append(worked(sqs, node, queue, url, messages))
            results[CPU].append(1000 * (node.cpu_seconds() - used) / messages)
            results[BARE].append(looped(sqs, bare, messages, threads, "one"))
            results[TEN].append(looped(sqs, bare, messages, threads, "ten"))
    finally:
        node.stop()
    return results


def fill(sqs: Any, url: str, messages: int) -> None:
    for begin in range(0, messages, 10):
        entries = [{"Id": str(number), "MessageBody": BODY} for number in range(begin, min(begin + 10, messages))]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)


def worked(sqs: Any, node: Node, queue: str, url: str, messages: int) -> float:
    """Messages a second, from the first request to the last deletion."""
    fill(sqs, url, messages)
    node.switch("enable", queue)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    while any(int(n) for n in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()):
        time.sleep(0.03)
    ended = time.monotonic()
    seconds = ended - node.first()
    node.switch("disable", queue)
    return messages / seconds


def looped(sqs: Any, url: str, messages: int, threads: int, way: str) -> float:
    fill(sqs, url, messages)
    command = [sys.executable, "-m", "benchmarks.sources.bare", url, str(threads), str(messages), way]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.write("go\n")
        process.stdin.flush()
        return messages / float(process.stdout.readline())


def report(results: dict[str, list[float]]) -> None:
    print(f"{'messages a second':28}{'median':>9}{'min':>9}{'max':>9}{'node / it':>12}")
    used = results.pop(CPU)
    for name, rates in results.items():
        ratios = [ours / rate for ours, rate in zip(results[NODE], rates, strict=True)]
        print(
            f"{name:28}{statistics.median(rates):9.0f}{min(rates):9.0f}{max(rates):9.0f}"
            f"{statistics.median(ratios):12.2f}"
        )
    print(f"{CPU:28}{statistics.median(used):9.2f}{min(used):9.2f}{max(used):9.2f}")


main()
