"""Sensitivity labels where files and mails carry them (Microsoft Information Protection SDK, "Label metadata").

Office: docMetadata/LabelInfo.xml, before it docProps/custom.xml with properties `MSIP_Label_GUID_Name`.
PDF: the same properties in the document information. Mail: the header `msip_labels`, the same, separated by ;.
"""

import re
from collections.abc import Iterable

from app.documents.readers.package import Package
from app.documents.readers.xml import Element
from app.documents.segments import SensitivityLabel

_GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_PROPERTY = re.compile(rf"MSIP_Label_({_GUID})_(\w+)")
_RAW = re.compile(rf"MSIP_Label_({_GUID})_Name".encode())
_MOST_LABELS = 20
_LONGEST_NAME = 200


def package_labels(package: Package) -> tuple[SensitivityLabel, ...]:
    """The labels of an Office file; what both places say of one label is put together."""
    parts = {each.kind: each.part for each in package.relationships() if package.has(each.part)}
    named = _named(package, parts.get("custom-properties"))
    listing = parts.get("classificationlabels")
    listed = [] if listing is None else list(_listed(package.xml(listing)))
    names = {label.id: label.name for label in named}
    both = [
        SensitivityLabel(label.id, label.site_id, names.get(label.id), label.is_enabled) for label in listed
    ]
    known = {label.id for label in both}
    return tuple([*both, *(label for label in named if label.id not in known)][:_MOST_LABELS])


def _named(package: Package, part: str | None) -> tuple[SensitivityLabel, ...]:
    if part is None:
        return ()
    return labels_of(
        (each.get("name", ""), "".join(value.text or "" for value in each)) for each in package.xml(part)
    )


def _listed(root: Element) -> Iterable[SensitivityLabel]:
    for each in root:
        identity = re.search(_GUID, each.get("id", ""))
        site = re.search(_GUID, each.get("siteId", ""))
        if identity is not None:
            yield SensitivityLabel(
                id=identity[0].lower(),
                site_id=site[0].lower() if site else None,
                is_enabled=_true(each.get("enabled", "1")) and not _true(each.get("removed", "0")),
            )


def labels_of(properties: Iterable[tuple[str, str]]) -> tuple[SensitivityLabel, ...]:
    """The labels that properties of these names and values tell of."""
    found: dict[str, dict[str, str]] = {}
    for name, value in properties:
        matched = _PROPERTY.fullmatch(name.strip())
        if matched is not None:
            found.setdefault(matched[1].lower(), {})[matched[2]] = value.strip()
    return tuple(
        SensitivityLabel(
            id=identity,
            site_id=site.lower() if re.fullmatch(_GUID, site := each.get("SiteId", "")) else None,
            name=each.get("Name", "")[:_LONGEST_NAME] or None,
            is_enabled=_true(each.get("Enabled", "true")),
        )
        for identity, each in found.items()
    )[:_MOST_LABELS]


def header_labels(header: str) -> tuple[SensitivityLabel, ...]:
    """The labels of a mail's `msip_labels` header."""
    pairs = (each.partition("=") for each in header.split(";"))
    return labels_of((name, value) for name, _, value in pairs)


def named_in(content: bytes) -> list[str]:
    """The names of properties that a PDF's bytes mention: one can only be asked for by its name."""
    guids = dict.fromkeys(each.decode() for each in _RAW.findall(content))
    fields = ("Name", "SiteId", "Enabled")
    return [f"MSIP_Label_{guid}_{each}" for guid in list(guids)[:_MOST_LABELS] for each in fields]


def _true(value: str) -> bool:
    return value.strip().lower() in {"1", "true", "yes"}
