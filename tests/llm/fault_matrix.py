"""What each fault of a vendor comes to: the one table that tests/llm/test_fault_matrix.py proves.

`python -m tests.llm.fault_matrix` writes docs/faults.md from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.llm.loop import TIMEOUT_SECONDS as TIMEOUTS
from app.llm.providers.chat import PATIENCE
from app.vocabulary import ModelClass
from tests.wire_formats import Behaviour, OpenAI

GENERAL, REASONING = PATIENCE[ModelClass.GENERAL], PATIENCE[ModelClass.REASONING]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"

COUNTED = 140
"""Micros of an answer whose tokens the vendor counted: 100 in at 1 micro, 20 out at 2."""
RESERVED = 2720
"""Micros that the matrix's request may cost at most: what stands where the vendor may charge and does not count."""


class Alone(StrEnum):
    """What becomes of a job whose pool has no other member."""

    AGAIN = "tried again, then failed"
    AT_ONCE = "failed at once"
    WAITS = "waits as long as asked, no attempt is counted"


@dataclass(frozen=True)
class Outcome:
    """What a fault comes to."""

    code: str
    """Of the failed hop."""
    rests: int
    """Seconds that its breaker stays open; 0: closed."""
    charged: int
    """Micros for the failed hop."""
    alone: Alone


@dataclass(frozen=True)
class Fault:
    """One thing that a vendor does, in one piece and in a stream."""

    title: str
    whole: Behaviour
    streamed: Behaviour
    silent: bool = False
    """Whether only our patience ends it."""


def _same(title: str, behaviour: Behaviour, *, silent: bool = False) -> Fault:
    return Fault(title, behaviour, behaviour, silent)


_BUSY = '{"error": {"message": "overloaded", "type": "server_error"}}'
_BROKEN = '{"id": "chatcmpl-scripted", "choices": [{"index": 0, "mess'
_TOO_LONG = OpenAI().error(
    400, "context_length_exceeded", "This model's maximum context length is 8192 tokens."
)

FAULTS: Mapping[str, Fault] = {
    "503": _same("503", Behaviour(status=503)),
    "429-after": _same("429 with `Retry-After: 90`", Behaviour(status=429, headers={"Retry-After": "90"})),
    "429": _same("429 without `Retry-After`", Behaviour(status=429)),
    "401": _same("401", Behaviour(status=401)),
    "slow-headers": _same("no headers in time", Behaviour(stall=True), silent=True),
    "stall": _same("a stall in the middle", Behaviour(stall_after=3), silent=True),
    "cut": _same("the connection cut in the middle of a chunk", Behaviour(cut_body_after=400)),
    "early-end": Fault(
        "a clean early end",
        Behaviour(finish_reason=None, usage=None, answer='{"sentences": ['),
        Behaviour(end_stream_after=3),
    ),
    "error-200": Fault("200 with an error body", Behaviour(body=_BUSY), Behaviour(body=f"data: {_BUSY}\n\n")),
    "broken-json": Fault(
        "malformed JSON around the answer", Behaviour(body=_BROKEN), Behaviour(body=f"data: {_BROKEN}\n\n")
    ),
    "length": _same("an answer cut off at its length limit", Behaviour(finish_reason="length")),
    "broken-answer": _same("malformed JSON as the answer", Behaviour(answer='{"sentences": [{"text": "Ro')),
    "empty": _same("an empty completion", Behaviour(answer="")),
    "filtered": _same("the vendor's content filter", Behaviour(finish_reason="content_filter")),
    "too-long": _same("the context is too long", Behaviour(status=400, body=_TOO_LONG)),
}

_UNAVAILABLE = Outcome("unavailable", 15, 0, Alone.AGAIN)
_TIMED_OUT = Outcome("timed_out", 15, RESERVED, Alone.AGAIN)
_CUT = Outcome("truncated", 0, RESERVED, Alone.AGAIN)
_NO_USE = Outcome("invalid_output", 0, COUNTED, Alone.AT_ONCE)

EXPECTED: Mapping[str, Outcome] = {
    "503": _UNAVAILABLE,
    "429-after": Outcome("rate_limited", 90, 0, Alone.WAITS),
    "429": Outcome("rate_limited", 30, 0, Alone.WAITS),
    "401": Outcome("bad_credential", 300, 0, Alone.AGAIN),
    "slow-headers": _TIMED_OUT,
    "stall": _TIMED_OUT,
    "cut": _CUT,
    "early-end": _CUT,
    "error-200": _UNAVAILABLE,
    "broken-json": _CUT,
    "length": Outcome("truncated", 0, COUNTED, Alone.AT_ONCE),
    "broken-answer": _NO_USE,
    "empty": _NO_USE,
    "filtered": Outcome("content_filtered", 0, COUNTED, Alone.AT_ONCE),
    "too-long": Outcome("context_too_long", 0, 0, Alone.AT_ONCE),
}
"""The same for a person who waits (streamed) and in the background (in one piece)."""

_ADVICE = {
    "context_too_long": "Send a shorter text",
    "content_filtered": "Leave out what a vendor's content filter may object to",
}


def words(outcome: Outcome) -> str:
    """What a member reads when the only member of the pool has failed for good."""
    advice = _ADVICE.get(outcome.code, "Try again later")
    return (
        f"No model gave an answer that may be used (faulty: {outcome.code}). {advice}, or ask your"
        " administrator to add another model to the pool."
    )


_HEAD = f"""# What a vendor's faults come to

Written by `python -m tests.llm.fault_matrix` from the table that `tests/llm/test_fault_matrix.py` proves: each row is
played by a vendor over loopback HTTP to real jobs, once in the interactive lane (the last step's answer is streamed)
and once in the background (in one piece), with a second member in the pool and without. **Both lanes come to the
same**; what differs is how soon a silent vendor is left: a stream after {GENERAL.first_token_seconds:.0f} s without a
first token or {GENERAL.idle_seconds:.0f} s between two (a reasoning model: {REASONING.first_token_seconds:.0f} and
{REASONING.idle_seconds:.0f} s), an answer in one piece after {TIMEOUTS[ModelClass.GENERAL]:.0f} s in all (reasoning:
{TIMEOUTS[ModelClass.REASONING]:.0f} s).

Charges are micros in the ledger for a request of which the vendor counts {COUNTED} and that reserved {RESERVED}: a
vendor that may charge without counting is booked at what was reserved. The breaker is that of the deployment's account,
region and model, in every process.

| fault | failed hop | its charge | breaker | with a second member | the only member |
|---|---|---|---|---|---|
"""
_FOOT = f"""
**With a second member** the job succeeds in the same attempt: hops `faulty` (failed), `spare` (succeeded, {COUNTED}
micros). Its member sees what they always see (`state` running, `progress`, `text` once, `state` succeeded, `result`):
nothing of an answer is shown before it has passed its checks, so there is nothing to take back.

**The only member**, and it stays so:

- *{Alone.AGAIN}*: the step goes back to the queue, waits for the breaker and runs until
  `SWITCHBOARD_MAX_ATTEMPTS` attempts are used up; each is charged as in the table. The member sees `progress` and at
  last `state` failed and `error`.
- *{Alone.AT_ONCE}*: another attempt would only repeat it. The member sees `state` failed and `error`.
- *{Alone.WAITS}*: until the job's deadline. The member sees `progress`.

The error's code is the failed hop's, its message:

"""


def page() -> str:
    """docs/faults.md."""
    rows = [
        f"| {FAULTS[name].title} | `{one.code}` | {one.charged} | {f'open {one.rests} s' if one.rests else 'closed'} |"
        f" the second answers | {one.alone} |"
        for name, one in EXPECTED.items()
    ]
    failing = {one.code: one for one in EXPECTED.values() if one.alone is not Alone.WAITS}
    said = [f"- `{code}`: {words(one)}" for code, one in failing.items()]
    return _HEAD + "\n".join(rows) + "\n" + _FOOT + "\n".join(said) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
