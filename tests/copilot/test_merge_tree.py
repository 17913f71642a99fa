"""The tree covers every chunk once and each request fits."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.copilot.merge_tree import FACT_TOKENS, plan_levels


@given(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=400), st.integers(3, 12), st.integers(64, 100_000)
)
def test_every_chunk_is_merged_once_and_neighbours_stay_together(
    chapters: list[str], facts: int, budget: int
) -> None:
    levels = plan_levels(chapters, facts=facts, budget_tokens=budget)
    for level in levels:
        assert [leaf for node in level for leaf in node.leaves] == list(range(len(chapters)))
    for below, level in pairwise(levels):
        assert [child for node in level for child in node.children] == list(range(len(below)))
    assert sum(len(level) for level in levels) <= 3 * len(chapters) + 2


@given(st.integers(1, 400), st.integers(3, 12), st.integers(30 * FACT_TOKENS, 100_000))
def test_what_a_request_reads_fits_its_budget(chunks: int, facts: int, budget: int) -> None:
    levels = plan_levels(["one"] * chunks, facts=facts, budget_tokens=budget)
    assert sum(node.facts for node in levels[-1]) * FACT_TOKENS <= budget
    for below, level in pairwise(levels):
        for node in level:
            assert sum(below[child].facts for child in node.children) * FACT_TOKENS <= budget


def test_few_chunks_need_no_merge() -> None:
    assert len(plan_levels(["a", "a", "b"], facts=4, budget_tokens=4000)) == 1


def test_groups_end_where_chapters_end() -> None:
    chapters = ["a"] * 6 + ["b"] * 6 + ["c"] * 6
    levels = plan_levels(chapters, facts=4, budget_tokens=40 * FACT_TOKENS)
    assert [{chapters[leaf] for leaf in node.leaves} for node in levels[1]] == [{"a"}, {"b"}, {"c"}]
