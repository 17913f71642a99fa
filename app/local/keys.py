"""`switchboard keys`: rotation and state of keys, for whoever operates the product. Uses the owner's role."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import app.tables  # noqa: F401 - every room's sealed columns
from app.audit.keys import AuditKeys
from app.core.crypto import SealBroken
from app.core.database import Database, psycopg_url
from app.core.errors import Conflict
from app.core.key_encryption import open_wrapping_keys
from app.core.keyring import LocalKeyring
from app.core.sealed_rows import Resealed, count_unreadable, count_versions, reseal, sealed_columns
from app.core.wrapping import KeysUnavailable, WrappingKeys
from app.settings import Settings
from app.tenants.key_rotation import (
    SETTLE_SECONDS,
    DataKey,
    data_keys,
    new_version,
    open_keys,
    record_resealed,
    rewrap,
)

_MOST_TRIES = 5
_T = TypeVar("_T")
Say = Callable[[str], None]


@dataclass
class KeysStatus:
    """What there is, in figures. `broken_keys` names data keys that do not unwrap, and why."""

    newest: str = ""
    wrapping: Counter[str] = field(default_factory=Counter)
    """Data keys by what wraps them."""
    values: Counter[int] = field(default_factory=Counter)
    """Sealed values by the version of the data key."""
    tenants: Counter[int] = field(default_factory=Counter)
    """Tenants by the version that seals now."""
    kept: Counter[int] = field(default_factory=Counter)
    """Tenants by the versions that they have: none goes before its tenant does."""
    unreadable: Counter[str] = field(default_factory=Counter)
    """Values that do not open, by table and column."""
    broken_keys: list[str] = field(default_factory=list)
    quick: bool = False

    @property
    def ok(self) -> bool:
        """Whether everything that is kept can be read."""
        return not self.unreadable and not self.broken_keys

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "newest_wrapping_key": self.newest,
            "data_keys_by_wrapping_key": dict(self.wrapping),
            "values_by_data_key_version": {str(version): count for version, count in self.values.items()},
            "tenants_by_sealing_version": {str(version): count for version, count in self.tenants.items()},
            "tenants_by_kept_version": {str(version): count for version, count in self.kept.items()},
            "unreadable": dict(self.unreadable),
            "broken_data_keys": self.broken_keys,
            "every_value_opened": not self.quick,
            "ok": self.ok,
        }


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Database, WrappingKeys]]:
    """The database in the owner's role, and the wrapping keys. Raises: `MissingSetting`, `SealBroken`."""
    wrapping = open_wrapping_keys(settings)
    database = Database(
        psycopg_url(settings.required("database_owner_url")), pool_size=2, application_name="switchboard-keys"
    )
    try:
        yield database, wrapping
    finally:
        await wrapping.close()
        await database.close()


async def status(database: Database, wrapping: WrappingKeys, *, quick: bool = False) -> KeysStatus:
    """Count keys and values, and open every value; `quick` only looks at which key has sealed each.

    Raises: `KeysUnavailable` when what wraps keys cannot be asked at all.
    """
    found = KeysStatus(newest=await wrapping.newest(), quick=quick)
    for tenant_id, keys in (await data_keys(database)).items():
        found.wrapping.update(key.wrapped.name for key in keys)
        found.kept.update(key.version for key in keys)
        mine = await open_keys(wrapping, keys)
        if mine.sealing is not None:
            found.tenants[mine.sealing] += 1
        found.broken_keys += [
            f"tenant {tenant_id}, version {version}: {why}" for version, why in mine.broken.items()
        ]
        readable = mine.sealer.keys if mine.sealer is not None else {}
        for column in sealed_columns():
            counted = await count_versions(database, column, tenant_id)
            found.values.update({version: count for version, count in counted.items() if version is not None})
            lost = sum(count for version, count in counted.items() if version not in readable)
            if not quick and mine.sealer is not None and counted.total() > lost:
                lost = await count_unreadable(database, column, mine.sealer)
            if lost:
                found.unreadable[column.name] += lost
    return found


async def rotate(
    database: Database,
    wrapping: WrappingKeys,
    say: Say,
    *,
    data_key_versions: bool = False,
    values: bool = False,
    settle_seconds: float = SETTLE_SECONDS,
) -> bool:
    """Wrap every data key with the newest key; then, as asked, make new versions and seal values with them.

    May be stopped and begun again at any time. False if something could not be done; it was said.
    """
    newest = await wrapping.newest()
    everything = await data_keys(database)
    changed = failed = 0
    for key in (one for keys in everything.values() for one in keys):
        try:
            changed += await _patiently(lambda key=key: rewrap(database, wrapping, key), say)  # type: ignore[misc]
        except (SealBroken, KeysUnavailable) as error:
            failed += 1
            why = error.reason if isinstance(error, KeysUnavailable) else "it does not unwrap"
            say(f"tenant {key.tenant_id}, version {key.version}: {why}")
    say(f"{changed} data keys wrapped anew with {newest}, {failed} failed")
    try:
        chains = await _patiently(AuditKeys(database, wrapping).rewrap, say)
        if chains:
            say(f"the keys of {chains} audit chains wrapped anew")
    except (SealBroken, KeysUnavailable) as error:
        failed += 1
        why = error.reason if isinstance(error, KeysUnavailable) else "one does not unwrap"
        say(f"audit chains: {why}")
    if data_key_versions:
        await _new_versions(database, wrapping, list(everything.values()), settle_seconds, say)
    if values:
        failed += await _reseal(database, wrapping, say)
    return not failed


async def _new_versions(
    database: Database,
    wrapping: WrappingKeys,
    everything: list[list[DataKey]],
    settle_seconds: float,
    say: Say,
) -> None:
    made = 0
    for keys in everything:
        if not keys:
            # Its first is made when it is needed.
            continue
        made += await _patiently(
            lambda keys=keys: new_version(database, wrapping, keys, settle_seconds=settle_seconds),  # type: ignore[misc]
            say,
        )
    say(f"{made} new versions of data keys, which seal in {settle_seconds:.0f} s")


async def _reseal(database: Database, wrapping: WrappingKeys, say: Say) -> int:
    """Seal every value with its tenant's newest version; gives how many are unreadable."""
    found = await data_keys(database)
    last = max((key.seals_from for keys in found.values() for key in keys), default=datetime.now(UTC))
    if (wait := (last - datetime.now(UTC)).total_seconds()) > 0:
        say(f"waiting {wait:.0f} s until every process knows the new versions")
        await asyncio.sleep(wait)
        found = await data_keys(database)
    total = Resealed()
    for keys in filter(None, found.values()):
        mine = await open_keys(wrapping, keys)
        if mine.sealer is None or mine.sealing is None:
            continue
        before = total.sealed
        for column in sealed_columns():
            done = await reseal(database, column, mine.sealer, with_version=mine.sealing)
            total.sealed += done.sealed
            total.overtaken += done.overtaken
            total.unreadable += done.unreadable
            if done.unreadable:
                say(f"{column.name} of tenant {mine.sealer.tenant_id}: {done.unreadable} values do not open")
        if total.sealed > before:
            await record_resealed(database, mine.sealer.tenant_id, mine.sealing, values=total.sealed - before)
    say(f"{total.sealed} values sealed anew; {total.overtaken} had been changed by others meanwhile")
    return total.unreadable


async def _patiently(work: Callable[[], Awaitable[_T]], say: Say) -> _T:
    """Bear a vault that throttles. Raises: `KeysUnavailable` at the last try."""
    for _ in range(_MOST_TRIES - 1):
        try:
            return await work()
        except KeysUnavailable as error:
            seconds = error.retry_after_seconds or 1.0
            say(f"{error.reason}; again in {seconds:.0f} s")
            await asyncio.sleep(seconds)
    return await work()


def add_wrapping_key(settings: Settings) -> str:
    """Add a key to the keyring file; gives its name. Raises: `Conflict` where a vault wraps."""
    if settings.key_vault_key:
        raise Conflict(
            "the vault makes new versions itself: az keyvault key rotate --vault-name NAME --name KEY"
        )
    return LocalKeyring.add(Path(settings.required("keyring")))


def in_words(found: KeysStatus) -> list[str]:
    """The figures as lines for people."""
    lines = [f"newest key-encryption key: {found.newest}"]
    lines += [f"  {count} data keys wrapped with {name}" for name, count in sorted(found.wrapping.items())]
    lines.append("data key versions:")
    for version in sorted(found.values.keys() | found.tenants.keys() | found.kept.keys()):
        lines.append(
            f"  version {version}: {found.values[version]} sealed values;"
            f" seals for {found.tenants[version]} tenants; kept for {found.kept[version]}"
        )
    lines += [f"DATA KEY DOES NOT UNWRAP: {line}" for line in found.broken_keys]
    lines += [f"UNREADABLE: {count} values of {name}" for name, count in sorted(found.unreadable.items())]
    if found.ok:
        lines.append("every key is there; no value was opened" if found.quick else "every value opens")
    return lines
