"""Where an IP address is on the map, by a database that the operator brings along (MaxMind DB format).

GeoLite2 City, DB-IP City Lite and the like fit: anything whose records have `location.latitude` and
`location.longitude`.  The file is held in memory as it was when it was read (some 60 MB for a world of towns): one that
is overwritten meanwhile changes nothing until it is read again, whereas a mapped one would end the process.  A
position by address is good to a town or two, and may be that of a provider: what a client measures counts more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import maxminddb
import trio

from membership import Position
from node.errors import EXIT_CONFIG, NodeStartError

if TYPE_CHECKING:
    from pathlib import Path

SETTING: Final = "placement.geoip_database"

READ_DEADLINE_S: Final = 5.0
"""For a reload: a disk reads 60 MB in less than a second, and a signal to stop waits meanwhile."""


class GeoDatabase:
    """An open database; it is as old as the start of the node or its last :meth:`reload`.

    Raises:
        NodeStartError: ``geoip_unreadable``: there is none at this path.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = _read(path)

    async def reload(self) -> None:
        """Read the file again; on an error the old content stays. Cancelling leaves the old content too.

        Raises:
            NodeStartError: ``geoip_unreadable``.
        """
        try:
            with trio.fail_after(READ_DEADLINE_S):
                fresh = await trio.to_thread.run_sync(_read, self._path, abandon_on_cancel=True)
        except trio.TooSlowError:
            raise NodeStartError(
                "geoip_unreadable", f"{self._path} was not read within {READ_DEADLINE_S:.0f} s", exit_code=EXIT_CONFIG
            ) from None
        old, self._reader = self._reader, fresh
        old.close()

    def position_of(self, address: str) -> Position | None:
        """Where an address is; None for one that is none, or that the database does not place.

        A network in the form ``2001:db8::/64`` is looked up by its first address.
        """
        try:
            record = self._reader.get(address.partition("/")[0])
        except (ValueError, maxminddb.InvalidDatabaseError):
            return None  # no address, or an IPv6 one and an IPv4 database, or a damaged page of the file
        place = record.get("location") if isinstance(record, dict) else None
        if not isinstance(place, dict):
            return None
        latitude, longitude = place.get("latitude"), place.get("longitude")
        if not isinstance(latitude, float) or not isinstance(longitude, float):
            return None
        try:
            return Position(latitude=latitude, longitude=longitude)
        except ValueError:
            return None

    def close(self) -> None:
        """Let go of the content."""
        self._reader.close()


def _read(path: Path) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(path, maxminddb.MODE_MEMORY)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise NodeStartError(
            "geoip_unreadable",
            f"{path} is no database of addresses in the MaxMind DB format: {error} (the setting is {SETTING})",
            exit_code=EXIT_CONFIG,
        ) from error
