"""What the drafting task types share: a text after a member's instruction, from documents of any length or none."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from app.copilot.answer_language import language_of_words
from app.copilot.checks import check_language, check_plain
from app.copilot.dates import find_dates, has_swapped_date
from app.copilot.delivery import coverage
from app.copilot.figures import SourceFigures, find_figures
from app.copilot.findings import Findings
from app.copilot.json_asking import JsonQuestion, Shown, ask_json, text_of
from app.copilot.reading import Reading
from app.copilot.reading_task import Read, noted, one_method
from app.copilot.result_schemas import reading_result
from app.copilot.types import Outcome, StepContext
from app.core.sentences import split_sentences
from app.documents.language import detect
from app.llm.errors import InvalidOutput

MOST_CHARACTERS = {"short": 1_200, "medium": 3_000, "long": 9_000}
RESULT = reading_result(text={"type": "string"})
_CHARACTERS_PER_TOKEN = 2


class Draft(Protocol):
    """What both drafting task types let a member say."""

    @property
    def length(self) -> str:
        """short, medium or long."""
        ...

    @property
    def language(self) -> str | None:
        """ISO 639-1; None for that of the wish."""
        ...

    @property
    def style_guide(self) -> str | None:
        """Rules of style; they support no figure."""
        ...

    @property
    def wish(self) -> str:
        """What the text is to say."""
        ...


@dataclass(frozen=True)
class Drafting:
    """How one of them asks."""

    name: str
    prompts: Callable[[Any], tuple[str, ...]]
    values: Callable[[Any], Mapping[str, str]]

    async def write(self, context: StepContext, parameters: Draft, read: Read) -> Outcome:
        """The last step: the text, over the documents themselves or over the facts found in them."""
        await context.progress("writing", 0, 1, "the text is being written")
        reading = Reading.of(read.evidence, context.mark_key)
        told = (language_of_words(parameters.wish), detect(parameters.wish).code, context.language)
        # Where nothing tells it, the likeliest is better than none.
        guess = detect(parameters.wish, fewest_letters=8).code
        language = parameters.language or next((one for one in told if one != "und"), guess)
        source = "\n".join(
            [parameters.wish, *self.values(parameters).values(), *(each.support for each in read.evidence)]
        )
        most = MOST_CHARACTERS[parameters.length]

        def take(answer: Mapping[str, Any]) -> str:
            text = text_of(answer["text"]).strip()
            _check(text, source, language, most)
            return text

        question = JsonQuestion(
            task_type=self.name,
            prompts=(
                "system",
                *self.prompts(parameters),
                *(["style_guide"] if parameters.style_guide else []),
                "rules",
            ),
            properties={"text": {"type": "string"}},
            language=language,
            values={
                "characters": str(most),
                "style_guide": parameters.style_guide or "",
                **self.values(parameters),
            },
            output_tokens=200 + most // _CHARACTERS_PER_TOKEN,
            shown=tuple(Shown(each.block.id, each.block.text) for each in read.evidence),
            mark=reading.mark,
            tokens=reading.tokens(),
        )
        text, method = await ask_json(context, question, take)
        shares, missing = coverage(read.segments, read=read.below.read - read.below.missing, cited=())
        await context.show([(sentence, ()) for sentence in split_sentences(text, language)])
        result = {
            "text": text,
            "coverage": shares,
            "missing": missing,
            "method": one_method(method, read.below),
            "language": language,
            "notes": noted(read.below.counts),
        }
        return Outcome(output={}, result=result, partial=bool(missing))

    def or_alone(
        self, run: Callable[[StepContext], Awaitable[Outcome]], parameters_of: Callable[[StepContext], Any]
    ) -> Callable[[StepContext], Awaitable[Outcome]]:
        """Writes from the instruction alone where there is no document, else does what `run` does."""

        async def either(context: StepContext) -> Outcome:
            if context.segments:
                return await run(context)
            nothing = Findings(groups=(), read=set(), missing=set(), methods=(), counts={})
            return await self.write(
                context, parameters_of(context), Read((), (), over_facts=False, below=nothing)
            )

        return either


def _check(text: str, source: str, language: str, most: int) -> None:
    if not any(map(str.isalpha, text)):
        raise InvalidOutput("too_short: the draft says nothing")
    # A tenth more than was asked is no reason to ask another model.
    if len(text) > most * 1.1:
        raise InvalidOutput(f"too_long: the draft has {len(text)} characters")
    known = SourceFigures.of(source)
    if any(not known.supports(figure) for figure in find_figures(text)):
        raise InvalidOutput("unsupported_figure: the draft has a number that nobody gave")
    if has_swapped_date(find_dates(source), find_dates(text)):
        raise InvalidOutput("changed_date: the draft has a date with day and month swapped")
    check_plain(text, source, "the draft")
    check_language(text, language)
