"""A file in Microsoft 365, taken in on behalf of whoever asks: over real HTTP, with real MSAL."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.local import state
from app.local.graph.drives import Item
from tests.entra import ADA, ALAN, GRACE
from tests.house import House, serve
from tests.pane import sign_in_again
from tests.trust import PLAIN

MEMO = Path(state.__file__).parent / "samples" / "memo.docx"
CONTOSO = "contoso.example"
ON_BEHALF = "/oauth2/v2.0/token"


def sample(house: House, login: str = ADA) -> Item:
    """The memo that is in everybody's drive."""
    return house.entra.app.graph.items(login)[0]


async def take(
    house: House, item: Item, login: str = ADA, *, token: str | None = None, **changes: Any
) -> httpx.Response:
    """Take an item in; without an eTag unless the changes say so."""
    body = {"drive_id": item.drive_id, "item_id": item.id, **changes}
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return await house.client(login).post("/documents/drive-items", json=body, headers=headers)


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def grants(house: House) -> int:
    """How often Entra was asked for a token since the reset."""
    return sum(count for path, count in house.entra.app.requests.items() if path.endswith(ON_BEHALF))


async def nothing_kept(house: House) -> bool:
    return await house.system.rows("SELECT 1 FROM documents") == []


@pytest.mark.processes
async def test_a_drive_item_is_summarized_like_an_upload(house: House) -> None:
    house.system.start_all()
    item = sample(house)

    taken = await take(house, item, etag=item.etag)

    assert taken.status_code == 201, taken.text
    uploaded = await house.upload("memo.docx", MEMO.read_bytes())
    document = taken.json()
    assert {**document, "id": ""} == {**uploaded, "id": ""}
    job_id = (await house.submit({"input": {"documents": [document["id"]]}})).json()["id"]
    job = await house.finished(job_id)
    assert (job["state"], job["result"]["coverage"]["ratio"]) == ("succeeded", 1.0)
    assert job["result"]["citations"][0]["anchor"]["type"] == "word"


async def test_the_hop_to_the_content_carries_no_authorization(house: House) -> None:
    assert (await take(house, sample(house))).status_code == 201
    (headers,) = house.entra.app.graph.downloads
    assert headers["host"].startswith("localhost:")
    assert {"authorization", "cookie"} & headers.keys() == set()
    assert "eyJ" not in str(headers)


async def test_twenty_requests_at_once_with_one_token_ask_entra_once(house: House) -> None:
    item = sample(house)
    async with serve(house.system, house.entra) as second:
        token = house.entra.token(ADA)
        async with httpx.AsyncClient(
            trust_env=False, verify=PLAIN, timeout=60, headers={"Authorization": f"Bearer {token}"}
        ) as client:

            async def ask(api: str) -> int:
                body = {"drive_id": item.drive_id, "item_id": item.id, "etag": '"seen before"'}
                answer = await client.post(f"{api}/addin/v1/documents/drive-items", json=body)
                return answer.status_code if answer.status_code != 429 else await ask(api)

            statuses = await asyncio.gather(*(ask(api) for api in (house.api, second) for _ in range(10)))
    assert set(statuses) == {409}
    # One for each of the two processes that came at once.
    assert 1 <= grants(house) <= 2


async def test_a_file_that_has_changed_since_it_was_seen_is_a_conflict(house: House) -> None:
    item = sample(house)
    house.entra.app.graph.drives.change(item.id, content=b"newer")
    assert refused(await take(house, item, etag=item.etag)) == (409, "drive_item_changed")
    assert house.entra.app.graph.downloads == []
    assert await nothing_kept(house)


async def test_a_file_that_changes_while_it_is_fetched_is_a_conflict_for_whoever_named_a_version(
    house: House,
) -> None:
    item = sample(house)
    graph = house.entra.app.graph
    graph.on_content = lambda asked: graph.drives.change(asked.id)
    assert refused(await take(house, item, etag=item.etag)) == (409, "drive_item_changed")
    assert await nothing_kept(house)
    assert (await take(house, item)).status_code == 201


async def test_files_of_others_are_not_found_until_they_are_shared(house: House) -> None:
    theirs = sample(house, ALAN)
    assert refused(await take(house, theirs)) == (404, "drive_item_not_found")
    assert refused(await take(house, sample(house, GRACE))) == (404, "drive_item_not_found")
    missing = {"item_id": "01AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
    assert refused(await take(house, theirs, **missing)) == (404, "drive_item_not_found")
    house.entra.app.graph.deny(ADA)
    assert refused(await take(house, sample(house))) == (404, "drive_item_not_found")
    assert await nothing_kept(house)
    house.entra.app.graph.reset()
    house.entra.app.graph.share(sample(house, ALAN), ADA)
    assert (await take(house, sample(house, ALAN))).status_code == 201


async def test_without_consent_the_pane_learns_whom_to_ask_for_what(house: House) -> None:
    item, token = sample(house), house.entra.token(ADA)
    house.entra.app.consent(CONTOSO, False)

    answer = await take(house, item, token=token)

    assert refused(answer) == (403, "consent_required")
    details = {one["code"]: one["message"] for one in answer.json()["error"]["details"]}
    assert details["consent_scope"].startswith("api://")
    assert details["admin_consent_url"].startswith(f"{house.entra.url}/")
    assert "adminconsent?client_id=" in details["admin_consent_url"]
    house.entra.app.consent(CONTOSO)
    # The same token serves: no refusal is remembered.
    assert (await take(house, item, token=token)).status_code == 201


async def test_a_claims_challenge_of_entra_goes_to_the_pane_and_back(house: House) -> None:
    item = sample(house)
    house.entra.app.require_policy(ADA)
    answer = await take(house, item)
    assert refused(answer) == (401, "insufficient_claims")

    token = sign_in_again(house.entra, ADA, answer.headers["www-authenticate"])

    assert (await take(house, item, token=token)).status_code == 201


async def test_a_claims_challenge_of_graph_goes_to_the_pane_and_back(house: House) -> None:
    item = sample(house)
    assert (await take(house, item)).status_code == 201
    house.entra.app.graph.challenge(ADA)
    answer = await take(house, item)
    assert refused(answer) == (401, "insufficient_claims")

    token = sign_in_again(house.entra, ADA, answer.headers["www-authenticate"])

    assert (await take(house, item, token=token)).status_code == 201
    # The old token's partition has not been given the new token's tokens.
    assert refused(await take(house, item)) == (401, "insufficient_claims")


async def test_whose_sign_ins_were_ended_is_asked_to_sign_in_again(house: House) -> None:
    item, old = sample(house), house.entra.token(ADA)
    house.entra.app.revoke(ADA)
    assert refused(await take(house, item, token=old)) == (401, "interaction_required")
    assert (await take(house, item, token=sign_in_again(house.entra, ADA))).status_code == 201


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://files.evil.example/download/x",
        "https://localhost.evil.example/download/x",
        "http://localhost/download/x",
        "https://localhost@evil.example/x",
        "https://127.0.0.1/download/x",
        "//localhost/x",
        "",
    ],
)
async def test_content_is_fetched_from_no_host_but_the_listed_ones(house: House, elsewhere: str) -> None:
    house.entra.app.graph.send_elsewhere(elsewhere)
    assert refused(await take(house, sample(house))) == (503, "graph_unavailable")
    assert house.entra.app.graph.downloads == []
    assert await nothing_kept(house)


async def test_a_second_redirect_is_not_followed(house: House) -> None:
    house.entra.app.graph.make_detour()
    assert refused(await take(house, sample(house))) == (503, "graph_unavailable")
    assert house.entra.app.graph.downloads == []
    assert await nothing_kept(house)


async def test_a_file_beyond_the_limit_is_refused_before_a_byte_of_it_comes(house: House) -> None:
    item = house.entra.app.graph.add(ADA, "big.txt", b"x" * (2**20 + 1))
    async with serve(house.system, house.entra, max_upload_bytes=2**20) as api:
        answer = await house.client().post(
            f"{api}/addin/v1/documents/drive-items", json={"drive_id": item.drive_id, "item_id": item.id}
        )
    assert refused(answer) == (413, "file_too_large")
    assert house.entra.app.graph.downloads == []


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("picture.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 64, "unsupported_format"),
        ("empty.docx", b"", "empty_file"),
        ("report.docx", b"just words", "mislabelled_file"),
    ],
)
async def test_a_bad_file_is_refused_as_an_upload_would_be(
    house: House, name: str, content: bytes, code: str
) -> None:
    answer = await take(house, house.entra.app.graph.add(ADA, name, content))
    assert refused(answer) == (422, code)
    assert await nothing_kept(house)


async def test_what_graph_says_about_waiting_is_passed_on(house: House) -> None:
    house.entra.app.graph.refuse_next(429, retry_after_seconds=17)
    answer = await take(house, sample(house))
    assert (*refused(answer), answer.headers["retry-after"]) == (429, "graph_throttled", "17")
    house.entra.app.graph.refuse_next(503, retry_after_seconds=3)
    answer = await take(house, sample(house))
    assert (*refused(answer), answer.headers["retry-after"]) == (503, "graph_unavailable", "3")
    house.entra.app.failing = True
    answer = await take(house, sample(house), token=house.entra.token(ADA))
    assert refused(answer) == (503, "graph_unavailable")
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    "changes",
    [
        {"item_id": "../../me"},
        {"drive_id": "b!x/items/y"},
        {"item_id": "a%2fb"},
        {"item_id": ""},
        {"etag": ""},
        {"url": "https://evil.example"},
    ],
)
async def test_ids_that_are_no_ids_reach_nobody(house: House, changes: dict[str, str]) -> None:
    assert refused(await take(house, sample(house), **changes)) == (422, "malformed")
    assert not house.entra.app.graph.requests
