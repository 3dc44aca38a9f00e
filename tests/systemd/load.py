"""Requests without end for so many seconds, on kept connections and on new ones; prints how often each answer came.

It runs by the bare Python of the machine: standard library only.
"""

from __future__ import annotations

import collections
import http.client
import json
import sys
import threading
import time

CLIENTS = 6


def main() -> None:
    until = time.monotonic() + float(sys.argv[1])
    answers: collections.Counter[str] = collections.Counter()
    clients = [threading.Thread(target=client, args=(until, number % 2 == 0, answers)) for number in range(CLIENTS)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    sys.stdout.write(json.dumps(answers))


def client(until: float, keeps: bool, answers: collections.Counter[str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=30)
    while time.monotonic() < until:
        kept = connection.sock is not None
        try:
            connection.request("GET", "/sleep?s=0.02", headers={} if keeps else {"Connection": "close"})
            answer = connection.getresponse()
            answer.read()
            answers[str(answer.status)] += 1
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
            connection.close()
            # a server may close what is kept and idle; who meets it there asks again
            answers["closed while idle" if kept else repr(error)] += 1
        except OSError as error:
            connection.close()
            answers[repr(error)] += 1


if __name__ == "__main__":
    main()
