"""The JSON API keeps to its own OpenAPI description, whatever is sent to it, with a token of each role."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from admin.filled_store import fill
from admin_site import a_config, add_users
from fastapi import FastAPI
from schemathesis.openapi import from_asgi, from_dict

from screening_node.admin.accounts import Accounts
from screening_node.admin.app import create_app
from screening_node.store.archive import Archive
from screening_node.store.session import Store

DESCRIPTION = "/api/v1/openapi.json"
ROLES = ("viewer", "reviewer", "admin")
#: Enough to find what is wrong at an end of a range, few enough for every run.
EXAMPLES = 10


@pytest.fixture(scope="module")
def node(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FastAPI, dict[str, str]]]:
    """The application in this process, and a token of each role."""
    folder = tmp_path_factory.mktemp("described")
    store = Store(f"sqlite:///{shutil.copy(empty_database, folder / 'node.db')}")
    fill(store)
    add_users(store)
    tokens = {role: Accounts(store).token(role, actor="test") for role in ROLES}
    yield create_app(a_config(), store, Archive(folder / "archive")), tokens
    store.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def tries(operation: Any, mode: schemathesis.GenerationMode, headers: dict[str, str]) -> int:
    """How many calls of an operation were made, each of which kept to its description."""
    made: list[schemathesis.Case] = []

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(mode))
    def keeps_to_it(case: schemathesis.Case) -> None:
        made.append(case)
        case.call_and_validate(headers=headers)

    keeps_to_it()
    return len(made)


@pytest.mark.parametrize("role", ROLES)
def test_every_answer_is_as_described(node: tuple[FastAPI, dict[str, str]], role: str) -> None:
    """No 5xx; statuses, types and bodies as described; wrong values refused, right ones taken; no way round a token."""
    app, tokens = node
    headers = bearer(tokens[role])
    whole = from_asgi(DESCRIPTION, app, headers=headers)
    # for wrong requests the token counts as given: that none is got by without it is every route's own test
    open_to_all = {key: value for key, value in whole.raw_schema.items() if key != "security"}
    modes = [(schemathesis.GenerationMode.POSITIVE, whole)]
    if role == "admin":
        modes.append((schemathesis.GenerationMode.NEGATIVE, from_dict(open_to_all)))
    for mode, described in modes:
        described.app = app
        operations = [found.ok() for found in described.get_all_operations()]
        assert len(operations) >= 7
        for operation in operations:
            if mode is schemathesis.GenerationMode.POSITIVE or list(operation.iter_parameters()):
                assert tries(operation, mode, headers) > 0, operation.label


def ask(app: FastAPI, method: str, path: str, token: str | None = None) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, headers={} if token is None else bearer(token))

    return asyncio.run(asked())


def test_the_description_needs_a_token_and_says_so(node: tuple[FastAPI, dict[str, str]]) -> None:
    app, tokens = node
    refused = ask(app, "GET", DESCRIPTION)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    described = ask(app, "GET", DESCRIPTION, tokens["viewer"]).json()
    assert described["security"] == [{"token": []}]
    for path, methods in described["paths"].items():
        assert {"400", "401", "403", "422", "503"} <= methods["get"]["responses"].keys(), path


def test_a_method_that_is_not_there_is_told_which_is(node: tuple[FastAPI, dict[str, str]]) -> None:
    app, tokens = node
    wrong = ask(app, "POST", "/api/v1/alerts", tokens["admin"])
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")


def test_a_misspelt_filter_is_refused(node: tuple[FastAPI, dict[str, str]]) -> None:
    """It must not look like an answer to the question that was meant."""
    app, tokens = node
    wrong = ask(app, "GET", "/api/v1/alerts?sate=closed", tokens["viewer"])
    assert wrong.status_code == 400
    assert wrong.json()["error"]["fix"] == "Known: limit, state."
