"""What the organisation lays down about words, for panes to offer."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.http.guards import TenantSealer, TenantSession
from app.http.wording import GlossaryResource, TemplateResource
from app.wording.service import WordingKind, listed

router = APIRouter(prefix="/wording", tags=["catalog"])


class WordingResource(BaseModel):
    """Glossaries and templates by name; `style_guide` is null where there is none."""

    glossaries: list[GlossaryResource]
    templates: list[TemplateResource]
    style_guide: str | None


@router.get("")
async def get_wording(session: TenantSession, sealer: TenantSealer) -> WordingResource:
    """The organisation's glossaries, templates and style guide."""
    guides = await listed(session, sealer, WordingKind.STYLE_GUIDE)
    glossaries = await listed(session, sealer, WordingKind.GLOSSARY)
    templates = await listed(session, sealer, WordingKind.TEMPLATE)
    return WordingResource(
        glossaries=[GlossaryResource.model_validate({"name": one.name, **one.body}) for one in glossaries],
        templates=[TemplateResource.model_validate({"name": one.name, **one.body}) for one in templates],
        style_guide=guides[0].body["text"] if guides else None,
    )
