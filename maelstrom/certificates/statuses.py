"""What people are told of certificates. Only reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from maelstrom.certificates.issuer import Issuer
from maelstrom.certificates.service import Certificates
from maelstrom.model.certificate import CertificateStatus
from maelstrom.plan.certificates import due_at


def statuses(certificates: Certificates, issuer: Issuer | None) -> list[CertificateStatus]:
    """Those of this node's files, also of no use, and the automatic ones, also such as are yet to come."""
    return [*_of_files(certificates), *(() if issuer is None else _automatic(issuer))]


def _of_files(certificates: Certificates) -> Iterator[CertificateStatus]:
    problems = certificates.problems
    for one in certificates.of_files:
        error = problems.pop(one.origin, "")
        yield CertificateStatus(one.names[0], one.names, one.origin, one.not_after, None, error)
    for path, problem in problems.items():
        yield CertificateStatus("", (), path, None, None, problem)


def _automatic(issuer: Issuer) -> Iterator[CertificateStatus]:
    wanted = set(issuer.wanted)
    for host in _sorted(wanted | set(issuer.states)):
        state = issuer.states.get(host)
        yield CertificateStatus(
            host=host,
            names=(host,),
            source="acme",
            not_after=state.not_after or None if state is not None else None,
            next_renewal=due_at(state) or None if host in wanted else None,
            error="" if state is None else state.error,
        )


def _sorted(hosts: Iterable[str]) -> list[str]:
    """By domain, then by what stands before it."""
    return sorted(hosts, key=lambda host: host.split(".")[::-1])
