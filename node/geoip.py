"""Where an IP address is on the map, by a database that the operator brings along (MaxMind DB format).

GeoLite2 City, DB-IP City Lite and the like fit: anything whose records have `location.latitude` and
`location.longitude`.  The file is mapped into memory and read where an address asks for it, in microseconds.  A
position by address is good to a town or two, and may be that of a provider: what a client measures counts more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import maxminddb

from membership import Position
from node.errors import EXIT_CONFIG, NodeStartError

if TYPE_CHECKING:
    from pathlib import Path

SETTING = "placement.geoip_database"


class GeoDatabase:
    """An open database; it is as old as the start of the node.

    Raises:
        NodeStartError: ``geoip_unreadable``: there is none at this path.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._reader = maxminddb.open_database(path, maxminddb.MODE_MMAP)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            raise NodeStartError(
                "geoip_unreadable",
                f"{path} is no database of addresses in the MaxMind DB format: {error} (the setting is {SETTING})",
                exit_code=EXIT_CONFIG,
            ) from error

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
        """Let go of the file."""
        self._reader.close()
