from datetime import UTC, datetime

import pytest

from app.copilot.endings import Again, Never, Waits, ending
from app.core.clock import new_id
from app.core.errors import ErrorDetail, TemporarilyUnavailable, Throttled, Unprocessable
from app.jobs.errors import Discard, NeedsUser, Postpone
from app.llm.errors import AllResting, CallFailed, Hop, Interrupted, InvalidOutput, Truncated
from app.pools.errors import NoEligibleMember
from app.usage.errors import BudgetExhausted, BudgetInAnotherCurrency
from app.vocabulary import CallOutcome


def end(error: Exception, attempt: int = 1) -> Again | Waits | Never:
    return ending(error, attempt=attempt, max_attempts=4, jitter=0.5)


def failed(*codes: str) -> CallFailed:
    hops = [Hop("a", CallOutcome.FAILED, code) for code in codes]
    return CallFailed("no model answered", code=codes[-1], hops=hops)


def test_waiting_for_a_place_is_no_attempt() -> None:
    assert end(AllResting(7.0), attempt=4) == Again(7.0, counted=False, code="all_resting")
    assert end(Postpone(3.0, "later"), attempt=4) == Again(3.0, counted=False, code="postponed")


@pytest.mark.parametrize("code", ["unavailable", "timed_out", "rate_limited"])
def test_what_may_pass_is_tried_again_until_the_last_attempt(code: str) -> None:
    again = end(failed("invalid_output", code))
    assert isinstance(again, Again)
    assert again.counted
    assert isinstance(end(failed(code), attempt=4), Never)


def test_answers_that_fail_their_checks_are_not_asked_for_again() -> None:
    assert end(failed("invalid_output")) == Never({"code": "invalid_output", "message": "no model answered"})


def test_the_check_that_refused_an_answer_is_named() -> None:
    refused = InvalidOutput("missing_figure: B1 has lost a number of its source")
    hop = Hop("a", CallOutcome.REJECTED, refused.code, refused.detail)
    never = end(CallFailed("no", code=refused.code, hops=[hop, Hop("b", CallOutcome.FAILED, "truncated")]))
    assert isinstance(never, Never)
    assert never.error["details"] == [
        {"code": "missing_figure", "message": "a: invalid_output, missing_figure"}
    ]


def test_what_is_expected_says_why() -> None:
    nobody = NoEligibleMember("nobody may", details=[ErrorDetail("region", "a runs elsewhere", "a")])
    never = end(nobody)
    assert isinstance(never, Never)
    assert never.error["details"] == [{"code": "region", "message": "a runs elsewhere"}]
    assert end(Discard("no_text", "there is no text")) == Never(
        {"code": "no_text", "message": "there is no text"}
    )


def test_a_bug_is_tried_again_and_then_told_without_its_words() -> None:
    assert isinstance(end(KeyError("secret")), Again)
    never = end(KeyError("secret"), attempt=4)
    assert isinstance(never, Never)
    assert never.is_bug
    assert "secret" not in never.error["message"]


def test_who_must_come_back_is_waited_for_however_often_it_was_tried() -> None:
    missing = NeedsUser("consent_required", "somebody must agree", action={"admin_consent_url": "https://x"})
    waits = end(missing, attempt=4)
    assert waits == Waits(
        {"code": "consent_required", "message": "somebody must agree", "admin_consent_url": "https://x"}
    )


def test_what_is_away_is_asked_again_without_counting_and_what_is_wrong_is_not() -> None:
    away = TemporarilyUnavailable("away", retry_after_seconds=9.0)
    assert end(away, attempt=4) == Again(9.0, counted=False, code="temporarily_unavailable")
    busy = Throttled("busy", retry_after_seconds=30.0)
    assert end(busy, attempt=4) == Again(30.0, counted=False, code="throttled")
    assert end(TemporarilyUnavailable("away")) == Again(5.0, counted=False, code="temporarily_unavailable")
    assert end(Unprocessable("no")) == Never({"code": "unprocessable", "message": "no"})


def test_for_money_the_job_waits_until_the_budget_begins_anew() -> None:
    resets_at = datetime(2999, 1, 1, tzinfo=UTC)
    waits = end(BudgetExhausted("your organisation", resets_at), attempt=4)
    assert isinstance(waits, Waits)
    assert (waits.reason, waits.waiting_for["code"]) == ("budget", "budget_exhausted")
    assert waits.waiting_for["resets_at"] == "2999-01-01T00:00:00+00:00"
    assert waits.seconds is not None
    assert waits.seconds > (resets_at - datetime.now(UTC)).total_seconds()


def test_an_answer_that_broke_off_is_asked_for_again_and_one_that_was_too_long_is_not() -> None:
    broken, long = (
        CallFailed("no", code="truncated", hops=[Hop("a", CallOutcome.FAILED, "truncated", detail)])
        for detail in (Interrupted("the connection ended").detail, Truncated("too long").detail)
    )
    assert isinstance(end(broken), Again)
    assert isinstance(end(broken, attempt=4), Never)
    assert isinstance(end(long), Never)


def test_for_money_in_one_currency_the_job_waits_though_no_period_brings_it() -> None:
    budget_id = new_id()
    waits = end(BudgetInAnotherCurrency("your organisation", "EUR", "USD", {budget_id: 9}), attempt=4)
    assert isinstance(waits, Waits)
    assert (waits.reason, set(waits.waiting_for)) == ("budget", {"code", "message"})
    assert waits.waiting_for["code"] == "budget_currency"
    assert "Waiting does not help" in waits.waiting_for["message"]
    assert (waits.limits, waits.seconds) == ({budget_id: 9}, 3 * 86_400)
