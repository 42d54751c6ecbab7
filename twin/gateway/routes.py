"""The gateway's own routes: login, refresh, logout, and the users (admins only)."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, FastAPI, Header, Request
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from twin import clock
from twin.api.problems import responses
from twin.bodies import Body
from twin.errors import DeniedError, UnauthenticatedError
from twin.gateway.accounts import MAX_PASSWORD_CHARS, Accounts, Admission, TokenPair
from twin.settings import AUTH_PREFIX
from twin.store.users import User

router = APIRouter(prefix=AUTH_PREFIX, tags=["Authentication"])


class Login(Body):
    email: str = Field(max_length=254, examples=["admin@qcraft.local"])
    password: str = Field(max_length=MAX_PASSWORD_CHARS)


class RefreshBody(Body):
    refresh_token: str


class Tokens(BaseModel):
    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: float = Field(description="seconds that the access token lives")


class Ticket(BaseModel):
    ticket: str
    expires_in: float = Field(description="seconds that the ticket lives")


class UserPublic(BaseModel):
    email: str
    role: str
    disabled: bool
    created_at: str


class UserCreate(Body):
    email: str
    password: str
    role: Literal["viewer", "operator", "admin"] = "viewer"


class UserUpdate(Body):
    password: str | None = None
    role: Literal["viewer", "operator", "admin"] | None = None
    disabled: bool | None = None


class UserList(BaseModel):
    users: list[UserPublic]


def add_auth_routes(app: FastAPI) -> None:
    """Put everything below `/api/v1/auth` into an application whose state has `accounts`."""
    app.include_router(router)


def bearer_token(authorization: str | None) -> str:
    """The token of an Authorization header (RFC 6750); raises UnauthenticatedError."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError("no token: send `Authorization: Bearer <access_token>` from /api/v1/auth/login")
    return token.strip()


async def accounts_of(connection: HTTPConnection) -> Accounts:
    accounts: Accounts = connection.state.accounts
    return accounts


TheAccounts = Annotated[Accounts, Depends(accounts_of)]


async def admission_of(accounts: TheAccounts, authorization: Annotated[list[str] | None, Header()] = None) -> Admission:
    return await accounts.admit(bearer_token(authorization[0] if authorization and len(authorization) == 1 else None))


CurrentAdmission = Annotated[Admission, Depends(admission_of)]


async def user_of(admission: CurrentAdmission) -> User:
    return admission.user


CurrentUser = Annotated[User, Depends(user_of)]


async def admin_of(user: CurrentUser) -> User:
    if user.role != "admin":
        raise DeniedError(f"managing users needs the role admin; you are {user.role}")
    return user


ADMIN_ONLY = [Depends(admin_of)]


@router.post("/login", responses=responses(401, 422, 429))
async def login(body: Login, request: Request, accounts: TheAccounts) -> Tokens:
    """Get tokens for an email and password."""
    address = request.client.host if request.client else ""
    return _tokens(await accounts.login(body.email, body.password, address, request.is_disconnected))


@router.post("/refresh", responses=responses(401, 422))
async def refresh_tokens(body: RefreshBody, accounts: TheAccounts) -> Tokens:
    """A new pair; the refresh token that was sent is used up."""
    return _tokens(await accounts.refresh(body.refresh_token))


@router.post("/logout", status_code=204, responses=responses(422))
async def logout(body: RefreshBody, accounts: TheAccounts) -> None:
    """End the login that the refresh token belongs to, with its access tokens, tickets and open streams."""
    await accounts.logout(body.refresh_token)


@router.post("/ticket", responses=responses(401))
async def get_ticket(admission: CurrentAdmission, accounts: TheAccounts) -> Ticket:
    """A ticket for `?ticket=` of the event stream or of a session's stream, where a page cannot send a header.

    It opens one stream, once, within half a minute. The stream ends when the access token ends that got the ticket.
    """
    text, ttl_s = await accounts.ticket(admission)
    return Ticket(ticket=text, expires_in=ttl_s)


@router.get("/me", responses=responses(401))
async def get_own_account(user: CurrentUser) -> UserPublic:
    return _public(user)


@router.get("/users", dependencies=ADMIN_ONLY, responses=responses(401, 403))
async def list_users(accounts: TheAccounts) -> UserList:
    return UserList(users=[_public(user) for user in await asyncio.to_thread(accounts.directory.everyone)])


@router.post("/users", status_code=201, dependencies=ADMIN_ONLY, responses=responses(401, 403, 409, 422))
async def add_user(body: UserCreate, accounts: TheAccounts) -> UserPublic:
    return _public(await asyncio.to_thread(accounts.directory.add, body.email, body.password, body.role))


@router.patch("/users/{email}", dependencies=ADMIN_ONLY, responses=responses(401, 403, 404, 409, 422))
async def change_user(email: str, body: UserUpdate, accounts: TheAccounts) -> UserPublic:
    """Set a new password or role, or disable an account; its logins end with it."""
    change = partial(accounts.directory.change, email, password=body.password, role=body.role, disabled=body.disabled)
    user = await asyncio.to_thread(change)
    accounts.forget()
    return _public(user)


def _tokens(pair: TokenPair) -> Tokens:
    return Tokens(access_token=pair.access_token, refresh_token=pair.refresh_token, expires_in=pair.expires_in_s)


def _public(user: User) -> UserPublic:
    return UserPublic(
        email=user.email, role=user.role, disabled=user.disabled, created_at=clock.to_text(user.created_at)
    )
