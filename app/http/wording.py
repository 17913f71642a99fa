"""Glossaries, the style guide and templates in JSON, the same where they are written and where they are read."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.wording.service import MOST_GUIDE

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class TermBody(_Closed):
    """A word or phrase and how it is to be translated."""

    source: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\n\r]*$")]
    target: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\n\r]*$")]


class GlossaryBody(_Closed):
    """Terms for translations into a language (ISO 639-1)."""

    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")]
    terms: Annotated[list[TermBody], Field(min_length=1, max_length=500)]


class StyleGuideBody(_Closed):
    """Rules of style that drafts and rewritten texts follow."""

    text: Annotated[str, Field(min_length=1, max_length=MOST_GUIDE)]


class TemplateBody(_Closed):
    """An instruction for `draft` that people choose by its title."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    instruction: Annotated[str, Field(min_length=1, max_length=2_000)]


class GlossaryResource(GlossaryBody):
    """A glossary under its name; a translation names it in `glossaries`."""

    name: str


class TemplateResource(TemplateBody):
    """A template under its name."""

    name: str
