"""Laws of selection: shares, cohorts, and reasons that are named."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from app.core.clock import now
from app.pools.errors import NoEligibleMember
from app.pools.selection import Allowance, Demand, Exclusion, select, stickiness
from app.tenants.policy import Policy
from app.vocabulary import Lifecycle, MemberPurpose, ModelClass, StepKind
from tests.pools.builders import deployment, member, provider, revision

ROOT = Path(__file__).resolve().parents[2]
DEMAND = Demand("summarize", StepKind.FINAL, "en", 1000, 200, needs=frozenset({"json_schema"}))
TENANT = UUID(int=7)


def test_shares_come_within_one_percent_of_the_weights_over_a_hundred_thousand_draws() -> None:
    weights = (50, 30, 15, 5)
    members = [member(deployment(), weight=weight) for weight in weights]
    pool, at, draws = revision(*members), now(), 100_000
    first = Counter(
        select(pool, Policy(), DEMAND, resting={}, now=at, draw=stickiness(TENANT, UUID(int=number)))
        .order[0]
        .id
        for number in range(draws)
    )
    for one, weight in zip(members, weights, strict=True):
        assert abs(first[one.id] / draws - weight / 100) < 0.01


_FRESH = """
from uuid import UUID
from app.pools.selection import stickiness
print([stickiness(UUID(int=7), UUID(int=number)) for number in range(50)])
"""


def test_a_fresh_process_draws_the_same() -> None:
    fresh = subprocess.run(
        [sys.executable, "-c", _FRESH], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert fresh.stdout.strip() == str([stickiness(TENANT, UUID(int=number)) for number in range(50)])


def test_every_reason_is_named_for_its_member_and_explained_to_operators() -> None:
    at = now()
    places = {
        Exclusion.REGION: deployment(provider=provider(region="us")),
        Exclusion.PROCESSOR: deployment(provider=provider(processor="Other")),
        Exclusion.VENDOR: deployment(provider=provider(vendor="other")),
        Exclusion.MODEL_CLASS: deployment(model_class=ModelClass.REASONING),
        Exclusion.DATA_TERMS: deployment(provider=provider(no_training=False)),
        Exclusion.CAPABILITY: deployment(capabilities=frozenset()),
        Exclusion.PARAMETER: deployment(supported_parameters=frozenset()),
        Exclusion.LANGUAGE: deployment(languages=("de",)),
        Exclusion.CONTEXT: deployment(context_window=100),
        Exclusion.ARCHIVED: deployment(archived=True),
        Exclusion.RETIRED: deployment(lifecycle=Lifecycle.RETIRED),
        Exclusion.CONTRACT: deployment(provider=provider(contract_until=at - timedelta(days=1))),
        Exclusion.PURPOSE: deployment(),
        Exclusion.CREDENTIAL: deployment(),
        Exclusion.BUDGET: deployment(),
        Exclusion.RESTING: deployment(price=None),
    }
    named = {reason: replace(of, name=f"the {reason}") for reason, of in places.items()}
    pool = revision(
        *(
            member(
                of,
                parameters={"top_p": 1} if reason is Exclusion.PARAMETER else None,
                purpose=MemberPurpose.SHADOW if reason is Exclusion.PURPOSE else MemberPurpose.SERVING,
            )
            for reason, of in named.items()
        )
    )
    policy = Policy(
        allowed_regions=("eu",),
        allowed_processors=("Acme",),
        allowed_vendors=("acme",),
        allowed_model_classes=(ModelClass.GENERAL,),
        require_no_training=True,
    )
    with pytest.raises(NoEligibleMember) as nobody:
        select(
            pool,
            policy,
            DEMAND,
            resting={named[Exclusion.RESTING].id: at.timestamp() + 9},
            now=at,
            draw=0.5,
            without_credential={named[Exclusion.CREDENTIAL].provider.id},
            allowance=Allowance("EUR", 0),
        )
    assert {detail.code: detail.target for detail in nobody.value.details} == {
        reason: f"the {reason}" for reason in Exclusion
    }
    page = (ROOT / "docs" / "models.md").read_text()
    for detail in nobody.value.details:
        words = detail.message.removeprefix(f"{detail.target} ")
        assert f"| `{detail.code}` | {words} |" in page
        assert detail.message in nobody.value.message
