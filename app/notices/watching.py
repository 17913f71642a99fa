"""Looking ahead for every tenant: what the reaper's schedule does."""

from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from app.core.clock import now
from app.core.database import Database
from app.core.logging import get_logger
from app.notices import overspending
from app.notices.outbox import remove_old
from app.notices.service import write
from app.notices.webhooks import forget_previous_secrets
from app.tenants.erasure import kept_days

_log = get_logger(__name__)


@dataclass(frozen=True)
class Watching:
    """Writes the notices that are due and forgets old messages and expired secrets, a transaction for each tenant; run twice at once, it writes nothing twice."""

    system: Database
    app: Database

    async def run(self) -> str | None:
        """One round; gives figures, or None if nothing was due. Raises the last error, after all had their turn."""
        written, failed = 0, None
        async with self.system.system() as session:
            tenants = list(await kept_days(session))
        for tenant_id in tenants:
            try:
                async with self.app.tenant(tenant_id) as session:
                    written += len(await write(session, tenant_id=tenant_id, now=now()))
                    written += len(await overspending.write(session, tenant_id=tenant_id, now=now()))
                    await remove_old(session, tenant_id=tenant_id, now=now())
                    await forget_previous_secrets(session, tenant_id=tenant_id, now=now())
            except (SQLAlchemyError, OSError) as error:
                _log.info("notices interrupted", tenant_id=str(tenant_id), reason=type(error).__name__)
                failed = error
        if failed is not None:
            raise failed
        return f"{written} notices written" if written else None
