"""Orders at an ACME authority (RFC 8555), one step at a time: each method is a few requests, blocking, with time-outs.

Only here the library `acme` is used; its errors leave as AcmeFailed. It must not know of databases, loops or listeners.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast

import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.errors import Error as JosepyError
from josepy.jwa import ES256
from josepy.jwk import JWKEC
from josepy.util import ComparableECKey

import maelstrom
from maelstrom.model.certificate import AcmeAccount, ExternalAccount, RenewalWindow
from maelstrom.model.errors import AcmeFailed

REQUEST_SECONDS: Final = 10  # for one answer of the authority
NONCE_TRIES: Final = 5
RETRY_AFTER_MAX: Final = 7 * 86400.0

logging.getLogger("acme").setLevel(logging.INFO)  # it logs whole messages below that


@dataclass(frozen=True, slots=True)
class Order:
    """An order under way."""

    host: str
    answers: dict[str, str]  # what is to be answered at the host, by token; empty where it has been validated before
    resource: messages.OrderResource
    validations: tuple[tuple[messages.ChallengeBody, challenges.ChallengeResponse], ...]


class _Network(client.ClientNetwork):
    """An authority may refuse the number that keeps a message from being sent twice, more than once in a row."""

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        for left in reversed(range(NONCE_TRIES)):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce" or not left:
                    raise
        raise AssertionError("the last try has answered")


class AcmeOrders:
    """One account at one authority. Methods may be called from any thread, one at a time."""

    def __init__(self, account: AcmeAccount, *, ca_file: str = "", external: ExternalAccount | None = None) -> None:
        """`ca_file`: whom to believe in that the authority is the authority; empty: the usual ones. `external`: what a
        new account is to belong to."""
        self._account = account
        self._external = external
        private = serialization.load_pem_private_key(account.key, None)
        self._key = JWKEC(key=ComparableECKey(cast(ec.EllipticCurvePrivateKeyWithSerialization, private)))
        self._net = _Network(
            self._key,
            alg=ES256,
            verify_ssl=cast(bool, ca_file or True),  # handed on to requests, which takes a path as well
            user_agent=f"maelstrom/{maelstrom.__version__}",
            timeout=REQUEST_SECONDS,
        )
        self._retry_after = 0.0  # seconds, as the last refusal said
        self._net.session.hooks["response"].append(self._note)
        if account.uri:
            self._net.account = _registration(account.uri)
        self._client: client.ClientV2 | None = None

    def register(self) -> AcmeAccount:
        """Agrees to the terms of the authority; the account with its name there. Raises AcmeFailed."""
        with self._errors("no account"):
            acme = self._acme()
            if self._external is None and acme.external_account_required():
                raise ValueError(
                    "the authority wants one of its own site: set MAEL_ACME_EAB_KID, MAEL_ACME_EAB_HMAC_KEY"
                )
            asked = messages.NewRegistration.from_data(
                email=self._account.email or None,
                terms_of_service_agreed=True,
                external_account_binding=self._binding(acme.directory),
            )
            try:
                uri = acme.new_account(asked).uri
            except errors.ConflictError as known:
                uri = known.location
            self._net.account = _registration(uri)
        return AcmeAccount(self._account.directory, self._account.email, self._account.key, uri)

    def _binding(self, directory: messages.Directory) -> dict[str, Any] | None:
        one = self._external
        if one is None:
            return None
        found: dict[str, Any] = messages.ExternalAccountBinding.from_data(
            self._key.public_key(), one.kid, one.hmac_key.rstrip("="), directory
        )
        return found

    def begin(self, host: str, key: bytes) -> Order:
        """A new order for a certificate with this private key. Raises AcmeFailed."""
        with self._errors("the order was refused"):
            resource = self._acme().new_order(crypto_util.make_csr(key, [host]))
            found = [_http01(one) for one in resource.authorizations if one.body.status == messages.STATUS_PENDING]
            validations = tuple((body, body.chall.response(self._key)) for body in found)
        answers = {body.chall.encode("token"): response.key_authorization for body, response in validations}
        return Order(host, answers, resource, validations)

    def validate(self, order: Order) -> None:
        """Tells the authority to look: its answers are in place. Raises AcmeFailed."""
        with self._errors("the validation was refused"):
            for body, response in order.validations:
                self._acme().answer_challenge(body, response)

    def validated(self, order: Order) -> bool:
        """Whether the authority is convinced. Raises AcmeFailed if it never will be."""
        with self._errors("the validation cannot be followed"):
            for one in order.resource.authorizations:
                found, _ = self._acme().poll(one)
                if found.body.status in (messages.STATUS_PENDING, messages.STATUS_PROCESSING):
                    return False
                if found.body.status != messages.STATUS_VALID:
                    raise errors.ValidationError([found])
            return True

    def finish(self, order: Order) -> None:
        """Asks for the certificate itself. Raises AcmeFailed."""
        with self._errors("the certificate was refused"):
            try:
                self._acme().begin_finalization(order.resource)
            except messages.Error as error:
                if error.code != "orderNotReady":  # `chain` asks again
                    raise

    def chain(self, order: Order) -> bytes | None:
        """The certificate with those above it, PEM; None: not yet. Raises AcmeFailed."""
        with self._errors("the certificate was not issued"):
            body = messages.Order.from_json(self._get(order.resource.uri).json())
            if body.status == messages.STATUS_INVALID:
                raise body.error or ValueError("the authority does not say why")
            if body.status == messages.STATUS_READY:
                self._acme().begin_finalization(order.resource)
            elif body.status == messages.STATUS_VALID and body.certificate is not None:
                return self._get(body.certificate).text.encode()
            return None

    def window(self, chain: bytes) -> RenewalWindow | None:
        """When the authority wants this certificate, PEM, to be renewed; None: it says nothing of the kind.

        Raises AcmeFailed.
        """
        with self._errors("the time of renewal was not told"):
            where = getattr(self._acme().directory, "renewalInfo", None)
            if where is None:
                return None
            response = self._net.get(f"{where}/{certificate_id(chain)}")
            found = messages.RenewalInfo.from_json(response.json()).suggested_window
            again = _seconds(response.headers.get("Retry-After", ""))
            return RenewalWindow(found.start.timestamp(), found.end.timestamp(), again)

    def close(self) -> None:
        self._net.session.close()

    def _acme(self) -> client.ClientV2:
        if self._client is None:
            directory = client.ClientV2.get_directory(self._account.directory, self._net)
            self._client = client.ClientV2(directory, self._net)
        return self._client

    def _get(self, url: str) -> requests.Response:
        """As an authority wants it: a POST without content, signed."""
        return self._net.post(url, None, new_nonce_url=self._acme().directory["newNonce"])

    def _note(self, response: requests.Response, **_: Any) -> None:
        self._retry_after = 0.0 if response.ok else _seconds(response.headers.get("Retry-After", ""))

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """Foreign errors become ours."""
        self._retry_after = 0.0
        try:
            yield
        except errors.ValidationError as error:
            raise AcmeFailed(f"the host could not be validated: {_failures(error)}") from error
        except messages.Error as error:
            code = error.code or ""
            raise AcmeFailed(
                f"{what}: {error.detail or error.description or error.typ}",
                code_of_authority=code,
                retry_after=self._retry_after,
            ) from error
        except requests.RequestException as error:
            reason = f"{what}: the authority cannot be reached: {_innermost(error)}"
            raise AcmeFailed(reason, code_of_authority="unreachable", retry_after=self._retry_after) from error
        except (errors.Error, JosepyError, ValueError, KeyError, AttributeError) as error:
            reason = f"{what}: {type(error).__name__}: {error}"[:500]
            raise AcmeFailed(reason, code_of_authority="", retry_after=self._retry_after) from error


def new_key() -> bytes:
    """A private key for an account or a certificate: ECDSA on P-256, PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate_id(chain: bytes) -> str:
    """Of its first certificate, as RFC 9773, section 4.1 makes it: who has signed it, and its serial number.

    Raises ValueError where it does not say who.
    """
    own = x509.load_pem_x509_certificate(chain)
    try:
        signer = own.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    except x509.ExtensionNotFound as error:
        raise ValueError("the certificate does not say whose key has signed it") from error
    serial = own.serial_number.to_bytes(own.serial_number.bit_length() // 8 + 1, "big")  # with room for a sign
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (signer, serial))


def _registration(uri: str) -> messages.RegistrationResource:
    return messages.RegistrationResource(uri=uri, body=messages.Registration())


def _http01(authorization: messages.AuthorizationResource) -> messages.ChallengeBody:
    for body in authorization.body.challenges:
        if isinstance(body.chall, challenges.HTTP01):
            found: messages.ChallengeBody = body
            return found
    raise ValueError("the authority offers no http-01 challenge")


def _failures(error: errors.ValidationError) -> str:
    texts = [
        f"{body.error.code}: {body.error.detail}"
        for authorization in error.failed_authzrs
        for body in authorization.body.challenges
        if body.error is not None
    ]
    return "; ".join(texts)[:500] or "the authority does not say why"


def _innermost(error: BaseException) -> str:
    while error.__context__ is not None:
        error = error.__context__
    return str(error)[:300] or type(error).__name__


def _seconds(text: str) -> float:
    """Of a Retry-After header; 0 if it has none that can be read."""
    if text.isdigit():
        return min(float(text), RETRY_AFTER_MAX)
    try:
        at = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return 0.0
    return min(max(0.0, at - time.time()), RETRY_AFTER_MAX)
