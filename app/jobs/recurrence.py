"""When something comes round again: at a time of day, on some days of the week, where its member lives. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

ALL_DAYS = frozenset(range(1, 8))


@dataclass(frozen=True)
class Recurrence:
    """`weekdays` from 1 (Monday) to 7, as ISO 8601 counts them; `time_zone` is a name of the IANA database."""

    at: time
    time_zone: str
    weekdays: Collection[int] = ALL_DAYS

    def following(self, after: datetime) -> datetime:
        """The first time later than `after`, in UTC.

        Where clocks go forward over it, it comes as much later; where they go back, the first of the two counts.
        """
        zone = ZoneInfo(self.time_zone)
        day = after.astimezone(zone).date()
        while True:
            found = datetime.combine(day, self.at, tzinfo=zone).astimezone(UTC)
            if found > after and day.isoweekday() in self.weekdays:
                return found
            day += timedelta(days=1)
