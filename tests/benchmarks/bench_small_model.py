"""How often the small model's own summary passes the checks, and how long it takes.

python -m tests.benchmarks.bench_small_model [--texts] [--length paragraph]

Real model server, real provider, real checks. Seconds are those of the model's own attempt, whether it was
accepted or not; after a rejection the extractive member answers in no time. `copied` counts the accepted
sentences that stand in the memo word for word. Prompts are tuned on one half of the memos: judge by the other.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import yaml

from app.copilot.prompt_files import load_prompt_files
from app.copilot.summarize import SummarizeParameters
from app.core.sentences import split_sentences
from app.documents.readers import markdown
from app.llm.errors import ProviderError
from app.llm.providers.extractive import ExtractiveProvider
from app.llm.providers.openai_compatible import OpenAICompatibleProvider
from app.llm.types import Message, ModelRequest, ModelResult, TokenUsage
from app.local.model_server import CONTEXT_TOKENS, MODEL_NAME
from app.local.state import free_port
from tests.copilot.conftest import MemoryJob
from tests.pools.builders import deployment, provider

_CITATION = re.compile(r" \[\d+\]")
MEMOS = Path(__file__).with_name("memos.yaml")
MOST_OUTPUT_TOKENS = 512
"""As infra/seed.yaml has it."""


class Small:
    """The small model as a member: its client and its prompts, and what the last attempt took."""

    def __init__(self, base_url: str) -> None:
        of = deployment(
            MODEL_NAME,
            provider=provider(base_url=base_url),
            capabilities=frozenset({"json_schema", "grammar"}),
            context_window=CONTEXT_TOKENS,
            max_output_tokens=MOST_OUTPUT_TOKENS,
        )
        self.prompts = next(
            file.prompts
            for file in load_prompt_files()
            if (file.task_type, file.name) == ("summarize", "small")
        )
        self.seconds = 0.0
        self.usage = TokenUsage()
        self.answer = ""
        self._client = OpenAICompatibleProvider(of, key=None, parameters={})

    async def complete(
        self, request: ModelRequest, messages: Sequence[Message], *, timeout_seconds: float
    ) -> ModelResult:
        """Ask the model, and note what it took."""
        self.usage, self.answer = TokenUsage(), ""
        started = time.perf_counter()
        try:
            result = await self._client.complete(request, messages, timeout_seconds=timeout_seconds)
        except ProviderError as error:
            self.usage = error.usage or self.usage
            raise
        finally:
            self.seconds = time.perf_counter() - started
        self.usage, self.answer = result.usage, result.text
        return result

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


@dataclass(frozen=True)
class Trial:
    """One memo: what came of the model's attempt."""

    title: str
    rejection: str | None
    seconds: float
    usage: TokenUsage
    text: str
    answer: str
    sentences: int
    copied: int


@contextmanager
def model_server() -> Iterator[str]:
    """The small model in a process of its own; yields its base URL."""
    port = free_port()
    command = [sys.executable, "-m", "app.local.model_server", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().split()
            if not line:
                raise SystemExit("the model server did not start")
            yield line[1]
        finally:
            process.terminate()


async def attempt(small: Small, title: str, text: str, length: str) -> Trial:
    """Summarize one memo; the extractive member takes over when the model's answer is rejected."""
    segments = markdown.read(text.encode()).segments
    job = MemoryJob(
        segments,
        SummarizeParameters.model_validate({"length": length}),
        context_tokens=CONTEXT_TOKENS - MOST_OUTPUT_TOKENS,
        providers=[small, ExtractiveProvider()],
    )
    outcome = await job.run()
    assert outcome.result is not None
    known = {
        " ".join(sentence.split())
        for each in segments
        for sentence in split_sentences(each.text, job.language)
    }
    return Trial(
        title=title,
        rejection=job.rejections[0] if job.rejections else None,
        seconds=small.seconds,
        usage=small.usage,
        text=outcome.result["text"],
        answer=small.answer,
        sentences=len(job.shown),
        copied=sum(_CITATION.sub("", sentence).strip() in known for sentence in job.shown),
    )


def show(trial: Trial, *, texts: bool) -> None:
    """A line for a memo, and its summary where it is asked for."""
    tokens = f"{trial.usage.input_tokens:4} in {trial.usage.output_tokens:3} out"
    verdict = trial.rejection or f"accepted, {trial.copied} of {trial.sentences} copied"
    print(f"{trial.title:22} {trial.seconds:5.1f} s  {tokens}  {verdict}", flush=True)
    if texts:
        print(f"    {trial.answer if trial.rejection else trial.text}", flush=True)


def show_group(name: str, trials: Sequence[Trial]) -> None:
    """The rate and the median of some memos."""
    accepted = [trial for trial in trials if trial.rejection is None]
    sentences = sum(trial.sentences for trial in accepted)
    print(
        f"{name:9} {len(accepted)} of {len(trials)} accepted ({len(accepted) / len(trials):.0%}), "
        f"median {median(trial.seconds for trial in trials):.1f} s, "
        f"{sum(trial.copied for trial in accepted)} of {sentences} sentences copied"
    )


async def measure(base_url: str, *, length: str, texts: bool) -> None:
    """Try all memos one after another, as the one slot of the server would."""
    small = Small(base_url)
    await attempt(small, "warm up", "The harbour of Rostock was closed. Two cranes fell in a storm.", length)
    groups: dict[str, list[Trial]] = {}
    for group, memos in yaml.safe_load(MEMOS.read_text(encoding="utf-8")).items():
        for memo in memos:
            trial = await attempt(small, memo["title"], memo["text"], length)
            show(trial, texts=texts)
            groups.setdefault(group, []).append(trial)
    await small.close()
    print()
    for group, trials in groups.items():
        show_group(group, trials)
    show_group("all", [trial for trials in groups.values() for trial in trials])


def main() -> None:
    """Read the command line, start the model and measure."""
    parser = argparse.ArgumentParser(
        prog="bench_small_model", description="The small model over twenty memos."
    )
    parser.add_argument("--length", default="paragraph", choices=["sentence", "paragraph", "bullets"])
    parser.add_argument("--texts", action="store_true", help="print each summary, or the rejected answer")
    arguments = parser.parse_args()
    with model_server() as base_url:
        asyncio.run(measure(base_url, length=arguments.length, texts=arguments.texts))


if __name__ == "__main__":
    main()
