"""What finished steps of a document hand on: facts, what was read, what could not be."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.copilot.reading import Fact


@dataclass(frozen=True)
class Findings:
    """What the steps before this one found, and what they could not read."""

    groups: tuple[tuple[Fact, ...], ...]
    read: set[int]
    missing: set[int]
    methods: tuple[str, ...]
    counts: Mapping[str, int]

    @classmethod
    def of(cls, predecessors: Sequence[Mapping[str, Any]]) -> "Findings":
        """Gather the outputs; what a dead step would have covered is missing."""
        groups: list[tuple[Fact, ...]] = []
        read: set[int] = set()
        missing: set[int] = set()
        methods: set[str] = set()
        counts: dict[str, int] = {}
        for each in predecessors:
            if each.get("dead"):
                missing |= indexes(each["input"].get("covers", ()))
                counts = add_counts(counts, {"failed_parts": 1})
                continue
            if each["facts"]:
                groups.append(tuple(Fact.load(fact) for fact in each["facts"]))
            read |= indexes(each["read"])
            missing |= indexes(each["missing"])
            methods.update(each["method"])
            counts = add_counts(counts, each["counts"])
        return cls(tuple(groups), read, missing, tuple(sorted(methods)), counts)

    @property
    def total(self) -> int:
        """How many facts there are."""
        return sum(len(group) for group in self.groups)

    def without(self, unused: int) -> "Findings":
        """The same with `unused` facts counted as not shown to the last step."""
        return self.counted({"unused_facts": unused})

    def counted(self, more: Mapping[str, int]) -> "Findings":
        """The same with these counts added."""
        return replace(self, counts=add_counts(self.counts, more))

    def output(
        self, facts: Sequence[Fact], methods: Sequence[str], counts: Mapping[str, int]
    ) -> dict[str, Any]:
        """A merge's output."""
        return {
            "facts": [fact.dump() for fact in facts],
            "read": ranges(self.read),
            "missing": ranges(self.missing),
            "method": sorted({*self.methods, *methods}),
            "counts": dict(counts),
        }


def dead(step_input: Mapping[str, Any], error: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a step that died hands on: what it was to work on, and the error (`code`, `message`) it died of."""
    return {"dead": True, "input": dict(step_input), "error": dict(error or {})}


def add_counts(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Both together, by name."""
    return {name: counts.get(name, 0) + more.get(name, 0) for name in sorted({*counts, *more})}


def ranges(indexes: Iterable[int]) -> list[list[int]]:
    """Indexes as `[first, last]` pairs in order, which is how steps hand them on."""
    found: list[list[int]] = []
    for index in sorted(set(indexes)):
        if found and found[-1][1] == index - 1:
            found[-1][1] = index
        else:
            found.append([index, index])
    return found


def indexes(pairs: Iterable[Sequence[int]]) -> set[int]:
    """The indexes that `ranges` wrote."""
    return {index for first, last in pairs for index in range(first, last + 1)}
