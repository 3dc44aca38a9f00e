"""The gateway of `benchmarks.gateway.serve` with a TLS listener, which speaks HTTP/2 and HTTP/1.1.

`python -m benchmarks.http2.serve PORT UPSTREAM CERTIFICATE KEY`; BENCH_PROFILE names a file for a profile.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.gateway.serve import run, serve
from maelstrom.gateway import Tls
from maelstrom.gateway.arrival.handshake import protocols
from maelstrom.model.certificate import Certificate

NAME = "bench.test"


def main() -> None:
    port, upstream, chain, key = sys.argv[1:]
    tls = Tls(protocols(http2=True))
    pair = Certificate((NAME,), Path(chain).read_bytes(), Path(key).read_bytes(), 0.0, 0.0, "0", chain)
    tls.set([pair], default=NAME)
    run(serve(int(port), int(upstream), tls=tls))


if __name__ == "__main__":
    main()
