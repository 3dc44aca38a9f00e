"""Known smuggling and desynchronisation payloads, each with what the gateway must say to it.

Requests are refused, or pass as exactly one request; answers are refused (502), or pass as exactly one answer.
"""

from __future__ import annotations

from typing import Final

LONG: Final = b"v" * 66000


def _post(lines: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a.test\r\n" + lines + b"\r\n" + body


SMUGGLED: Final = b"GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"
INNER: Final = b"GET /inner HTTP/1.1\r\nHost: a.test\r\n\r\n"

# name → (bytes, status): the request is refused with that status and the connection is closed.
REFUSED_REQUESTS: Final[dict[str, tuple[bytes, int]]] = {
    # framing
    "CL.TE": (_post(b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nG"), 400),
    "TE.CL": (_post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"5c\r\nGPOST"), 400),
    "CL.CL": (_post(b"Content-Length: 6\r\nContent-Length: 5\r\n", b"abcdef"), 400),
    "CL.CL the same": (_post(b"Content-Length: 6\r\nContent-Length: 6\r\n", b"abcdef"), 400),
    "CL list": (_post(b"Content-Length: 6, 6\r\n", b"abcdef"), 400),
    "CL plus": (_post(b"Content-Length: +6\r\n", b"abcdef"), 400),
    "CL minus": (_post(b"Content-Length: -6\r\n", b"abcdef"), 400),
    "CL hexadecimal": (_post(b"Content-Length: 0x6\r\n", b"abcdef"), 400),
    "CL with underscore": (_post(b"Content-Length: 1_0\r\n", b"abcdefghij"), 400),
    "CL in other digits": (_post("Content-Length: \u0666\r\n".encode(), b"abcdef"), 400),
    "CL fraction": (_post(b"Content-Length: 6.0\r\n", b"abcdef"), 400),
    "CL empty": (_post(b"Content-Length: \r\n"), 400),
    "CL huge": (_post(b"Content-Length: 99999999999999999999\r\n"), 400),
    "CL with a tab": (_post(b"Content-Length:\t6\r\n", b"abcdef"), 400),
    "CL name with underscore": (_post(b"Content_Length: 6\r\n", b"abcdef"), 400),
    "CL name with space": (_post(b"Content-Length : 6\r\n", b"abcdef"), 400),
    "TE twice": (_post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    "TE list": (_post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"), 400),
    "TE gzip": (_post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), 400),
    "TE identity": (_post(b"Transfer-Encoding: identity\r\n", b"abc"), 400),
    "TE x": (_post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), 400),
    "TE in capitals": (_post(b"Transfer-Encoding: CHUNKED\r\n", b"0\r\n\r\n"), 400),
    "TE quoted": (_post(b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"), 400),
    "TE with parameter": (_post(b"Transfer-Encoding: chunked;q=1\r\n", b"0\r\n\r\n"), 400),
    "TE with a tab": (_post(b"Transfer-Encoding:\tchunked\r\n", b"0\r\n\r\n"), 400),
    "TE with vertical tab": (_post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"), 400),
    "TE name with space": (_post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"), 400),
    "TE name with tab": (_post(b"Transfer-Encoding\t: chunked\r\n", b"0\r\n\r\n"), 400),
    "TE name after space": (_post(b"X: y\r\n Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    "TE name with underscore": (_post(b"Transfer_Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    "TE empty": (_post(b"Transfer-Encoding:\r\nContent-Length: 3\r\n", b"abc"), 400),
    "TE after bare CR": (_post(b"X: y\rTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    "TE after bare LF": (_post(b"X: y\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    "TE folded": (_post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"), 400),
    "TE in HTTP/1.0": (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    # chunks
    "chunk size minus": (_post(b"Transfer-Encoding: chunked\r\n", b"-1\r\n\r\n"), 400),
    "chunk size 0x": (_post(b"Transfer-Encoding: chunked\r\n", b"0x5\r\nabcde\r\n0\r\n\r\n"), 400),
    "chunk size with underscore": (
        _post(b"Transfer-Encoding: chunked\r\n", b"1_0\r\n" + b"a" * 16 + b"\r\n0\r\n"),
        400,
    ),
    "chunk size after space": (_post(b"Transfer-Encoding: chunked\r\n", b" 5\r\nabcde\r\n0\r\n\r\n"), 400),
    "chunk size before space": (_post(b"Transfer-Encoding: chunked\r\n", b"5 \r\nabcde\r\n0\r\n\r\n"), 400),
    "chunk size overflow": (_post(b"Transfer-Encoding: chunked\r\n", b"10000000000000005\r\nabcde\r\n0\r\n\r\n"), 400),
    "chunk size empty": (_post(b"Transfer-Encoding: chunked\r\n", b"\r\nabcde\r\n0\r\n\r\n"), 400),
    "chunk size with LF": (_post(b"Transfer-Encoding: chunked\r\n", b"5\nabcde\r\n0\r\n\r\n"), 400),
    "chunk longer than its size": (_post(b"Transfer-Encoding: chunked\r\n", b"5\r\nabcdefg\r\n0\r\n\r\n"), 400),
    "chunk data ends in LF": (_post(b"Transfer-Encoding: chunked\r\n", b"5\r\nabcde\n0\r\n\r\n"), 400),
    "chunk extension with LF": (_post(b"Transfer-Encoding: chunked\r\n", b"5;x\nabcde\r\n0\r\n\r\n"), 400),
    "chunk extension with CR": (_post(b"Transfer-Encoding: chunked\r\n", b"5;a\rb\r\nabcde\r\n0\r\n\r\n"), 400),
    "chunk extension too long": (_post(b"Transfer-Encoding: chunked\r\n", b"5;" + b"a" * 5000), 400),
    "trailer with LF": (_post(b"Transfer-Encoding: chunked\r\n", b"0\r\nX: y\n\r\n"), 400),
    "trailer folded": (_post(b"Transfer-Encoding: chunked\r\n", b"0\r\nX: y\r\n z\r\n\r\n"), 400),
    "trailer without colon": (_post(b"Transfer-Encoding: chunked\r\n", b"0\r\n" + SMUGGLED), 400),
    "trailers too long": (_post(b"Transfer-Encoding: chunked\r\n", b"0\r\n" + b"X: " + LONG + b"\r\n\r\n"), 400),
    # lines
    "bare LF everywhere": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "bare LF at the end": (b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    "bare LF after the first line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    "bare CR in a value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
    "CR CR LF": (b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400),
    "NUL in a value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
    "DEL in a value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n", 400),
    "control in a value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x08b\r\n\r\n", 400),
    "folded value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
    "folded with tab": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n", 400),
    "folded first line": (b"GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n", 400),
    "no colon": (b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
    "empty name": (b"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400),
    "space in a name": (b"GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n", 400),
    "space before the colon": (b"GET / HTTP/1.1\r\nHost: a\r\nX : z\r\n\r\n", 400),
    "no ASCII in a name": (b"GET / HTTP/1.1\r\nHost: a\r\nX\xff: z\r\n\r\n", 400),
    "bracket in a name": (b"GET / HTTP/1.1\r\nHost: a\r\nX[]: z\r\n\r\n", 400),
    # first line
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/0.9 without end": (b"GET /\r\n", 400),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "http/1.1": (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    "HTTP/1.1 and more": (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    "HTTP/01.1": (b"GET / HTTP/01.1\r\nHost: a\r\n\r\n", 400),
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "tab between": (b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "space before the method": (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "space in the target": (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "no ASCII in the target": (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "NUL in the target": (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "fragment in the target": (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "method with colon": (b"GE:T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "target without slash": (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "asterisk with GET": (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "CONNECT": (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 400),
    "CONNECT with a path": (b"CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "CONNECT with a URL": (b"CONNECT http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "TLS on the plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), 400),
    "an SSH client": (b"SSH-2.0-OpenSSH_9.2\r\n", 400),
    # Host
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "no Host, but another header": (b"GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", 400),
    "two Hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "the same Host twice": (b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400),
    "two Hosts in HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "Host list": (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    "Host with path": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "Host with user": (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    "Host with space": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "Host with two ports": (b"GET / HTTP/1.1\r\nHost: a:80:81\r\n\r\n", 400),
    "Host with other port": (b"GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", 400),
    "Host with a tab": (b"GET / HTTP/1.1\r\nHost: a\t\r\n\r\n", 400),
    "Host with space at the end": (b"GET / HTTP/1.1\r\nHost: a \r\n\r\n", 400),
    "Host name with space": (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "absolute target, other Host": (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "absolute target, other port": (b"GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "absolute target, empty Host": (b"GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "absolute target, no Host": (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
    "absolute target with user": (b"GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n", 400),
    "absolute target with backslash": (b"GET http://a\\@b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "absolute target without host": (b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "other scheme": (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    # Connection, Expect
    "Connection names Host": (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Host\r\n\r\n", 400),
    "Connection names Content-Length": (_post(b"Connection: Content-Length\r\nContent-Length: 3\r\n", b"abc"), 400),
    "Connection names Transfer-Encoding": (
        _post(b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        400,
    ),
    "Expect something": (_post(b"Expect: y 100-continue\r\nContent-Length: 3\r\n", b"abc"), 400),
    "Expect twice": (_post(b"Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 3\r\n", b"abc"), 400),
    # sizes
    "head over 64 KiB": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + LONG + b"\r\n\r\n", 431),
    "head without end over 64 KiB": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + LONG, 431),
    "target over 64 KiB": (b"GET /" + LONG, 431),
    "a thousand lines": (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a:b\r\n" * 1000 + b"\r\n", 431),
}

# name → bytes: passes as one request, and what follows it (`SMUGGLED`) as another, never as a part of it.
PASSED_REQUESTS: Final[dict[str, bytes]] = {
    "GET with a body": b"GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc",
    "CL with spaces": _post(b"Content-Length:   3  \r\n", b"abc"),
    "CL 0": _post(b"Content-Length: 0\r\n"),
    "chunked": _post(b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"),
    "chunk size with zeros": _post(b"Transfer-Encoding: chunked\r\n", b"003\r\nabc\r\n000\r\n\r\n"),
    "chunk extension": _post(b"Transfer-Encoding: chunked\r\n", b'3;a="b;c"\r\nabc\r\n0;x\r\n\r\n'),
    "chunk extension like a chunk": _post(b"Transfer-Encoding: chunked\r\n", b"3;0\\r\\n\r\nabc\r\n0\r\n\r\n"),
    "TE.0": b"OPTIONS / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
    % (len(INNER), INNER),
    "0.CL": b"GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%b" % (len(INNER), INNER),
    "trailer": _post(b"Transfer-Encoding: chunked\r\n", b"0\r\nContent-Length: 50\r\nX: y\r\n\r\n"),
    "Upgrade to h2c": b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
    "Upgrade with a body": _post(b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n", b"abc"),
    "Upgrade that is not done": b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "Expect without a body": b"GET / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n",
    "empty line before": b"\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "header names with odd characters": b"GET / HTTP/1.1\r\nHost: a.test\r\n!#$%&'*+-.^_`|~1: x\r\nX:\r\n\r\n",
    "Latin-1 in a value": b"GET / HTTP/1.1\r\nHost: a.test\r\nX: caf\xe9\r\n\r\n",
    "Connection names what the gateway sets": b"GET / HTTP/1.1\r\nHost: a.test\r\n"
    b"Connection: X-Forwarded-For, close\r\n\r\n",
}

# name → bytes: what a container sends; the client gets a 502 and nothing of it.
REFUSED_ANSWERS: Final[dict[str, bytes]] = {
    "CL and TE": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two CL": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "two CL the same": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "CL list": b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
    "CL minus": b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc",
    "TE gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "TE twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE name with space": b"HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "bare CR in a value": b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b=c\r\nContent-Length: 0\r\n\r\n",
    "bare LF in a value": b"HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: b=c\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "folded value": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nX\r\nContent-Length: 0\r\n\r\n",
    "space in a name": b"HTTP/1.1 200 OK\r\nX Y: a\r\nContent-Length: 0\r\n\r\n",
    "control in the reason": b"HTTP/1.1 200 O\x08K\r\nContent-Length: 0\r\n\r\n",
    "code of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "code of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>\r\n\r\n",
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "101 that nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    "head over 64 KiB": b"HTTP/1.1 200 OK\r\nX: " + LONG + b"\r\n\r\n",
    "head without end": b"HTTP/1.1 200 OK\r\nX: " + LONG * 2,
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
}
