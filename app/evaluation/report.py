"""A comparison as one HTML page: tables, and plots as inline SVG. No script, nothing from a network."""

import html
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from app.evaluation.comparison import Comparison, Difference, Estimate
from app.evaluation.errors import ExtraMissing
from app.evaluation.metrics import METRICS
from app.evaluation.service import CaseView

_SHARES = tuple(name for name in METRICS if name not in {"seconds", "cost_micros", "output_tokens"})
_COLOURS = ("#1f5fa8", "#c2571a", "#2f7d4f", "#7b3fa0", "#9a7b00", "#a3234e")
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_STYLE = """
:root { color-scheme: light; } body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem;
padding: 0 1rem; color: #1b1f24; background: #fff; } h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; } th, td { text-align: left; padding: .3rem .6rem;
border-bottom: 1px solid #d8dee4; vertical-align: top; } td.n { text-align: right; font-variant-numeric: tabular-nums; }
td.n small { color: #57606a; } .better { font-weight: 600; } figure { margin: 1rem 0; } svg { max-width: 100%; height: auto; }
figcaption, .note { color: #57606a; font-size: .9rem; } .wide { overflow-x: auto; }
"""


_METHOD = (
    "A rate has Wilson's interval; a mean and a difference have the percentile interval of 2,000 bootstrap samples"
    " of cases with a fixed seed. Metrics before checks are of what a member said, also where the checks refused it;"
    " the others are of what would have been delivered."
)


def shown(metric: str, value: float) -> str:
    """A figure as people read it."""
    if METRICS[metric].unit == "s":
        return f"{value:.2f} s"
    if metric == "cost_micros":
        return f"{value / 1_000_000:.6f}"
    return f"{value:.0f}" if metric == "output_tokens" else f"{value:.3f}"


def interval(metric: str, estimate: Estimate) -> str:
    """The interval of an estimate; empty without one."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{shown(metric, estimate.low)} to {shown(metric, estimate.high)}"


def page(title: str, facts: Mapping[str, str], comparison: Comparison, cases: Sequence[CaseView]) -> str:
    """The page. Raises: `ExtraMissing` without matplotlib."""
    members = list(dict.fromkeys(name for of in comparison.estimates.values() for name in of))
    colours = {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(members)}
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_text(title)}</h1>",
        _table(("", ""), [[_cell(name), _cell(value)] for name, value in facts.items()], head=False),
        "<h2>Members</h2>",
        _figure(_shares_plot(comparison, colours), "Means and rates with their intervals of 95 %."),
        _members_table(comparison, members),
        "<h2>Differences</h2>",
        *_differences(comparison),
        "<h2>Latency</h2>",
        _figure(
            _latency_plot(cases, colours), "Seconds that each case's requests took; the line is the median."
        ),
        "<h2>How trials ended</h2>",
        _endings(cases, members),
        "<h2>Cases</h2>",
        _cases_table(cases),
        f'<p class="note">{_text(_METHOD)}</p>',
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def endings(cases: Sequence[CaseView], member: str) -> list[tuple[str, int]]:
    """How a member's trials ended, with the reason, most frequent first."""
    counts = Counter(
        case.outcome + (f": {case.reason}" if case.reason else "") for case in cases if case.member == member
    )
    return counts.most_common()


def _members_table(comparison: Comparison, members: Sequence[str]) -> str:
    rows = [
        [_cell(METRICS[metric].title), *(_estimate(metric, of.get(name)) for name in members)]
        for metric, of in comparison.estimates.items()
    ]
    return _table(("metric", *members), rows)


def _differences(comparison: Comparison) -> Iterator[str]:
    pairs = dict.fromkeys((one.first, one.second) for one in comparison.differences)
    if not pairs:
        yield '<p class="note">There is one member alone.</p>'
    for first, second in pairs:
        found = [one for one in comparison.differences if (one.first, one.second) == (first, second)]
        yield _figure(
            _differences_plot(found),
            f"{second} minus {first}, over the cases that both have. An interval that holds 0 leaves it open.",
        )
        rows = [
            [
                _cell(METRICS[one.metric].title),
                _estimate(one.metric, one.by),
                _cell(one.better or "open", "better" if one.better else ""),
                _cell(str(one.by.cases), "n"),
            ]
            for one in found
        ]
        yield _table(("metric", f"{second} minus {first}", "better", "cases"), rows)


def _endings(cases: Sequence[CaseView], members: Sequence[str]) -> str:
    rows = [
        [_cell(member), _cell(ending), _cell(str(count), "n")]
        for member in members
        for ending, count in endings(cases, member)
    ]
    return _table(("member", "ended", "cases"), rows)


def _cases_table(cases: Sequence[CaseView]) -> str:
    named = ("quotes", "unsupported", "coverage", "facts", "rouge_l", "seconds")
    rows = [
        [
            _cell(case.case_id),
            _cell(case.member),
            _cell(case.outcome + (f": {case.reason}" if case.reason else "")),
            *(_score(metric, case.scores.get(metric)) for metric in named),
        ]
        for case in cases
    ]
    return _table(("case", "member", "ended", *(METRICS[name].title for name in named)), rows)


def _shares_plot(comparison: Comparison, colours: Mapping[str, str]) -> str:
    metrics = [name for name in _SHARES if name in comparison.estimates]
    with _Plot(height=0.9 + 0.34 * max(1, len(metrics)) * max(1, len(colours)) ** 0.5) as plot:
        for at, metric in enumerate(reversed(metrics)):
            of = comparison.estimates[metric]
            for nth, (member, colour) in enumerate(colours.items()):
                if member in of:
                    plot.dot(at + 0.22 * ((len(colours) - 1) / 2 - nth), of[member], colour)
        plot.axes.set_yticks(range(len(metrics)), [METRICS[name].title for name in reversed(metrics)])
        plot.axes.set_xlim(-0.03, 1.03)
        for member, colour in colours.items():
            plot.axes.plot([], [], "o", color=colour, label=member)
        plot.axes.legend(loc="upper center", bbox_to_anchor=(0.4, 1.12), ncols=3, frameon=False)
        return plot.svg()


def _differences_plot(found: Sequence[Difference]) -> str:
    shares = [one for one in found if one.metric in _SHARES]
    with _Plot(height=0.9 + 0.34 * max(1, len(shares))) as plot:
        for at, one in enumerate(reversed(shares)):
            plot.dot(at, one.by, "#57606a" if one.better is None else _COLOURS[0])
        plot.axes.axvline(0, color="#8c959f", linewidth=1)
        titles = [
            f"{METRICS[one.metric].title} ({'higher' if METRICS[one.metric].higher_is_better else 'lower'} is better)"
            for one in reversed(shares)
        ]
        plot.axes.set_yticks(range(len(shares)), titles)
        return plot.svg()


def _latency_plot(cases: Sequence[CaseView], colours: Mapping[str, str]) -> str:
    by_member = {
        name: [
            seconds
            for case in cases
            if case.member == name and (seconds := case.scores.get("seconds")) is not None
        ]
        for name in colours
    }
    known = {name: values for name, values in by_member.items() if values}
    with _Plot(height=0.8 + 0.6 * max(1, len(known))) as plot:
        if known:
            plot.axes.boxplot(list(known.values()), orientation="horizontal", widths=0.5, showfliers=False)
            for at, (name, values) in enumerate(known.items(), start=1):
                plot.axes.plot(values, [at] * len(values), "o", color=colours[name], alpha=0.45, markersize=4)
            plot.axes.set_yticks(range(1, len(known) + 1), list(known))
        plot.axes.set_xlabel("seconds")
        plot.axes.set_xlim(left=0)
        return plot.svg()


class _Plot:
    """A figure that becomes SVG, the same for the same figures."""

    def __init__(self, *, height: float) -> None:
        try:
            import matplotlib as mpl
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ExtraMissing("matplotlib") from error
        self._settings = mpl.rc_context(
            {
                # Drawn letters: with fonts of the reader's own, labels would be cut.
                "svg.fonttype": "path",
                "svg.hashsalt": "switchboard",
                "font.family": "sans-serif",
                "font.size": 9,
                # A member's name is no formula.
                "text.parse_math": False,
            }
        )
        self._figure_type, self._height = Figure, height
        self.axes: Any = None

    def __enter__(self) -> Self:
        self._settings.__enter__()
        self._figure = self._figure_type(figsize=(8.6, self._height), layout="constrained")
        self.axes = self._figure.add_subplot()
        self.axes.spines[["top", "right", "left"]].set_visible(False)
        self.axes.grid(axis="x", color="#e4e8ec")
        self.axes.tick_params(axis="y", length=0)
        self.axes.set_axisbelow(True)
        return self

    def __exit__(self, *_error: object) -> None:
        self._settings.__exit__(None, None, None)

    def dot(self, at: float, estimate: Estimate, colour: str) -> None:
        """A value with its interval."""
        if estimate.low is not None and estimate.high is not None:
            self.axes.plot([estimate.low, estimate.high], [at, at], color=colour, linewidth=2, alpha=0.6)
        self.axes.plot([estimate.value], [at], "o", color=colour, markersize=6)

    def svg(self) -> str:
        """The figure, without the file's own head."""
        written = io.StringIO()
        self._figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
        drawn = written.getvalue()
        return _METADATA.sub("", drawn[drawn.index("<svg") :])


def _figure(svg: str, caption: str) -> str:
    labelled = svg.replace("<svg", f'<svg role="img" aria-label="{_text(caption)}"', 1)
    return f"<figure>{labelled}<figcaption>{_text(caption)}</figcaption></figure>"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], *, head: bool = True) -> str:
    top = f"<thead><tr>{''.join(f'<th>{_text(name)}</th>' for name in header)}</tr></thead>" if head else ""
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'<div class="wide"><table>{top}<tbody>{body}</tbody></table></div>'


def _cell(text: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f"<td{attribute}>{_text(text)}</td>"


def _estimate(metric: str, estimate: Estimate | None) -> str:
    if estimate is None:
        return _cell("–", "n")
    bounds = interval(metric, estimate)
    small = f"<br><small>{_text(bounds)}, n = {estimate.cases}</small>" if bounds else ""
    return f'<td class="n">{_text(shown(metric, estimate.value))}{small}</td>'


def _score(metric: str, value: float | None) -> str:
    return _cell("–" if value is None else shown(metric, value), "n")


def _text(value: str) -> str:
    return html.escape(value)
