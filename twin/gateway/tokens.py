"""Signed tokens (JWT, RFC 7519): short-lived access tokens, refresh tokens and tickets that open nothing else."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from twin import clock
from twin.errors import UnauthenticatedError

ALGORITHM = "HS256"
ISSUER = "qtwin-gateway"
ACCESS_AUDIENCE = "digital-twin"
REFRESH_AUDIENCE = "qtwin-gateway/refresh"
TICKET_AUDIENCE = "digital-twin/stream"
MAX_REMEMBERED = 4096
MAX_TOKEN_CHARS = 4096


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says.

    token_id: of a refresh token or a ticket.
    family_id: the login that it comes from; empty when it does not say.
    password_mark: of an access token: the user's when it was made (`Accounts` knows it); empty when it does not say.
    until: of a ticket: when the access token that it was got with expires.
    """

    user_id: str
    expires_at: float
    token_id: str
    family_id: str = ""
    password_mark: str = ""
    until: float = 0.0


class TokenSigner:
    """Signs and verifies tokens with one secret. Verification fixes algorithm, issuer, audience and kind."""

    def __init__(
        self,
        secret: str,
        *,
        access_ttl_s: float,
        refresh_ttl_s: float,
        now: Callable[[], float] = clock.now,
    ) -> None:
        self._secret = secret
        self.access_ttl_s = access_ttl_s
        self.refresh_ttl_s = refresh_ttl_s
        self._now = now
        self._remembered: OrderedDict[str, Claims] = OrderedDict()

    def access_token(self, user_id: str, password_mark: str, family_id: str) -> str:
        token_id, more = secrets.token_hex(8), {"pwm": password_mark, "fam": family_id}
        return self._sign(user_id, "access", ACCESS_AUDIENCE, self.access_ttl_s, token_id, more)

    def refresh_token(self, user_id: str, family_id: str) -> tuple[str, Claims]:
        token_id = secrets.token_hex(16)
        token = self._sign(user_id, "refresh", REFRESH_AUDIENCE, self.refresh_ttl_s, token_id, {"fam": family_id})
        return token, Claims(user_id, self._now() + self.refresh_ttl_s, token_id, family_id)

    def ticket(self, user_id: str, family_id: str, ttl_s: float, until: float) -> tuple[str, Claims]:
        token_id, more = secrets.token_hex(16), {"until": until, "fam": family_id}
        token = self._sign(user_id, "ticket", TICKET_AUDIENCE, ttl_s, token_id, more)
        return token, Claims(user_id, self._now() + ttl_s, token_id, family_id, until=until)

    def verify_access(self, token: str) -> Claims:
        """Raises UnauthenticatedError. A token's signature is checked once, its expiry every time."""
        claims = self._remembered.get(token)
        if claims is None:
            claims = self._verify(token, "access", ACCESS_AUDIENCE)
            self._remembered[token] = claims
            if len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)
        if claims.expires_at <= self._now():
            self._remembered.pop(token, None)
            raise UnauthenticatedError("the access token has expired; refresh it or log in again")
        return claims

    def verify_refresh(self, token: str) -> Claims:
        """Raises UnauthenticatedError. Whether it was used before is the accounts' to know."""
        return self._verify(token, "refresh", REFRESH_AUDIENCE)

    def verify_ticket(self, token: str) -> Claims:
        """Raises UnauthenticatedError. Whether it was used before is the accounts' to know."""
        return self._verify(token, "ticket", TICKET_AUDIENCE)

    def _sign(
        self, user_id: str, kind: str, audience: str, ttl_s: float, token_id: str, more: Mapping[str, Any]
    ) -> str:
        now = self._now()
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": audience,
            "sub": user_id,
            "typ": kind,
            "iat": int(now),
            "exp": now + ttl_s,
            "jti": token_id,
            **more,
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def _verify(self, token: str, kind: str, audience: str) -> Claims:
        if len(token) > MAX_TOKEN_CHARS:
            raise UnauthenticatedError("the token is not one of this gateway's")
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=audience,
                issuer=ISSUER,
                options={
                    "require": ["exp", "iat", "sub", "jti", "typ"],
                    "verify_exp": False,  # below, by this signer's clock
                    "verify_iat": False,
                },
            )
            expires_at = float(claims["exp"])
        except (jwt.InvalidTokenError, ValueError, TypeError) as error:
            raise UnauthenticatedError("the token is not one of this gateway's") from error
        if claims["typ"] != kind:
            raise UnauthenticatedError(f"this is not a token for that: expected one of the kind {kind}")
        if expires_at <= self._now():
            raise UnauthenticatedError(f"the {kind} token has expired; refresh it or log in again")
        return Claims(
            claims["sub"],
            expires_at,
            claims["jti"],
            claims.get("fam", ""),
            claims.get("pwm", ""),
            float(claims.get("until", 0.0)),
        )
