"""Rows of a tenant as an import finds and writes them: by name, and only where something differs."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import and_, null, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.record import Actor, DetailValue
from app.core.clock import new_id, now
from app.core.errors import ErrorDetail
from app.pools.errors import WrongConfiguration
from app.pools.exporting import PLATFORMS, prompts_reference, reference
from app.pools.file_schema import InvalidConfiguration
from app.pools.import_changes import Change
from app.pools.owned import shown
from app.pools.prices import end as end_prices
from app.pools.provider_keys import forget_key
from app.pools.providers import goes_elsewhere
from app.pools.tables import Deployment, ModelPool, PoolMember, PriceRevision, PromptSet
from app.vocabulary import PLATFORM

_NULLABLE_LISTS = frozenset({"languages", "supported_parameters"})


class ImportRows:
    """What one import has changed, and what it found wrong."""

    def __init__(self, session: AsyncSession, tenant_id: UUID, actor: Actor) -> None:
        self._session = session
        self._actor = actor
        self._tenant_id = tenant_id
        self.changes: list[Change] = []
        self.wrong: list[ErrorDetail] = []
        self._noted: dict[tuple[str, str], Change] = {}
        self._known: dict[Any, dict[str, Any]] = {}
        self._own_prices: dict[UUID, list[PriceRevision]] | None = None
        self._priced: set[UUID] = set()

    def stop_if_wrong(self) -> None:
        """Raises: `InvalidConfiguration`."""
        if self.wrong:
            raise InvalidConfiguration(self.wrong)

    async def put(
        self,
        table: Any,
        kind: str,
        name: str,
        values: Mapping[str, Any],
        *,
        archived: bool = False,
        fixed: str = "",
        **named: str,
    ) -> Any:
        """The tenant's row of this name with these values; a `fixed` place is where they may not change.

        `named` are names of what it refers to, for the record.
        It is written with the next flush: of hundreds at once, not one after another.
        """
        known = await self._by_name(table)
        row = known.get(name)
        if row is None:
            # What is not said is SQL's null.
            stored = {key: value for key, value in values.items() if value is not None}
            row = known[name] = table(tenant_id=self._tenant_id, id=new_id(), name=name, **stored)
            if archived:
                row.archived_at = now()
            self._session.add(row)
            self._note(Change(kind, name, "created", row.id, {**named, **_recorded(stored)}))
        else:
            differing = {key: value for key, value in values.items() if getattr(row, key) != value}
            if differing and fixed:
                self.say("other_task_type", f"{name} is there for {row.task_type}", f"{fixed}.task_type")
                return None
            if kind == "provider" and (archived or goes_elsewhere(row, differing)):
                await forget_key(self._session, row, actor=self._actor)
            for key, value in differing.items():
                setattr(row, key, _stored(key, value))
            is_archived = getattr(row, "archived_at", None) is not None
            changes = {**named, **_recorded(differing)}
            if is_archived != archived:
                row.archived_at = now() if archived else None
                changes["archived"] = archived
            if differing or is_archived != archived:
                self.touched(row, kind, **changes)
        return row

    def touched(self, row: Any, kind: str, **changes: DetailValue) -> None:
        """A row that is there was changed: its version rises, once for an import."""
        noted = self._noted.get((kind, row.name))
        if noted is None:
            row.version += 1
            self._note(Change(kind, row.name, "changed", row.id, changes))
        else:
            noted.detail.update(changes)

    def _note(self, change: Change) -> None:
        self._noted[change.kind, change.name] = change
        self.changes.append(change)

    async def _by_name(self, table: Any) -> dict[str, Any]:
        """The tenant's rows of a table as this import knows them, read once."""
        if table not in self._known:
            self._known[table] = {row.name: row for row in await self.own(table)}
        return self._known[table]

    async def price(self, row: Any, price: dict[str, Any], name: str) -> None:
        """The tenant's own price of a deployment: a new revision where the newest says something else."""
        self._priced.add(row.id)
        newest = next(reversed((await self._prices()).get(row.id, [])), None)
        if newest is not None and all(getattr(newest, key) == value for key, value in price.items()):
            return
        self._session.add(
            PriceRevision(
                tenant_id=self._tenant_id,
                deployment_tenant_id=row.tenant_id,
                deployment_id=row.id,
                created_at=now(),
                **price,
            )
        )
        what = "created" if newest is None else "changed"
        self.changes.append(Change("price", name, what, row.id, dict(price)))

    async def withdraw_prices(self, named: AbstractSet[str]) -> None:
        """What the file gives no price has none of the tenant's own any more.

        What was archived before and the file does not name stays as it is: no file that is exported names it.
        """
        prices = await self._prices()
        rows_by_id = {row.id: row for row in await self.visible(Deployment)}
        names = {id_: reference(row) for id_, row in rows_by_id.items()}
        put_away = {
            id_
            for id_, row in rows_by_id.items()
            if row.tenant_id == self._tenant_id and row.archived_at is not None and row.name not in named
        }
        for deployment_id in sorted(prices.keys() - self._priced - put_away, key=names.__getitem__):
            rows = prices[deployment_id]
            end_prices(rows)
            detail: dict[str, DetailValue] = {"revisions": len(rows)}
            self.changes.append(Change("price", names[deployment_id], "withdrawn", deployment_id, detail))

    async def _prices(self) -> dict[UUID, list[PriceRevision]]:
        """The tenant's own prices of each deployment that were not withdrawn before the import, the newest last."""
        if self._own_prices is None:
            rows = await self._session.scalars(
                select(PriceRevision)
                .where(PriceRevision.tenant_id == self._tenant_id, PriceRevision.withdrawn_at.is_(None))
                .order_by(PriceRevision.created_at, PriceRevision.id)
            )
            self._own_prices = defaultdict(list)
            for row in rows:
                self._own_prices[row.deployment_id].append(row)
        return self._own_prices

    async def own(self, table: Any) -> list[Any]:
        """The tenant's rows of a table, by name."""
        rows = await self._session.scalars(select(table).where(table.tenant_id == self._tenant_id))
        return sorted(rows, key=lambda row: row.name)

    async def visible(self, table: Any) -> list[Any]:
        """The tenant's rows of a table, and the platform's."""
        visible = (self._tenant_id, PLATFORM)
        return list(await self._session.scalars(select(table).where(table.tenant_id.in_(visible))))

    async def by_reference(self, table: Any) -> dict[str, Any]:
        """The rows that a file may name, by how it names them."""
        return {reference(row): row for row in await self.visible(table)}

    async def prompts_by_reference(self) -> dict[tuple[str, str], Any]:
        """Prompt sets by task type and how a file names them."""
        rows = await self.visible(PromptSet)
        return {(row.task_type, prompts_reference(row)): row for row in rows}

    def found(self, known: Mapping[str, Any], name: str, code: str, place: str) -> Any:
        """The row of this name, or None, and then it is said that it is not there."""
        row = known.get(name)
        if row is None:
            words = code.removeprefix("unknown_").replace("_", " ")
            own = ", ".join(sorted(one for one in known if not one.startswith(PLATFORMS))[:20]) or "none"
            self.say(code, f"no {words} {name}; the tenant's own are: {own}", place)
        return row

    async def archive(self, row: Any, kind: str) -> None:
        """What the file does not name serves nothing any more; the key of a provider goes."""
        if kind == "provider":
            await forget_key(self._session, row, actor=self._actor)
        row.archived_at = now()
        row.version += 1
        self.changes.append(Change(kind, row.name, "archived", row.id))

    async def archive_prompts(self, named: AbstractSet[tuple[str, str, int]]) -> None:
        """Put away what neither the file names nor a pool that serves holds; take back what one of them does."""
        published = (
            select(PoolMember.prompt_set_id)
            .join(
                ModelPool,
                and_(
                    ModelPool.tenant_id == PoolMember.tenant_id,
                    ModelPool.published_revision_id == PoolMember.revision_id,
                ),
            )
            .where(ModelPool.tenant_id == self._tenant_id, ModelPool.archived_at.is_(None))
        )
        held = set(await self._session.scalars(published))
        for row in await self.own(PromptSet):
            archived = row.id not in held and (row.task_type, row.name, row.revision) not in named
            if archived != (row.archived_at is not None):
                row.archived_at = now() if archived else None
                detail: dict[str, DetailValue] = {"task_type": row.task_type, "archived": archived}
                what = "archived" if archived else "changed"
                self.changes.append(Change("prompt_set", f"{row.name}@{row.revision}", what, row.id, detail))

    @contextmanager
    def checked(self, place: str) -> Iterator[None]:
        """What a check refuses is wrong at a place of the file."""
        try:
            yield
        except WrongConfiguration as error:
            for detail in error.details:
                self.say(detail.code, detail.message, f"{place}.{detail.target}" if detail.target else place)

    def say(self, code: str, message: str, place: str) -> None:
        """Something is wrong at a place of the file."""
        self.wrong.append(ErrorDetail(code, message, place))


def _recorded(values: Mapping[str, Any]) -> dict[str, DetailValue]:
    """Values for the record; what refers to others is named there, and conditions stand in the route."""
    return {
        key: shown(value)
        for key, value in values.items()
        if not isinstance(value, UUID) and key != "conditions"
    }


def _stored(column: str, value: Any) -> Any:
    # None would be stored as JSON's null, which is not SQL's.
    return null() if value is None and column in _NULLABLE_LISTS else value
