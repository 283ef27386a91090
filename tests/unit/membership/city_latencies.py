"""Published round trips from 20 cities to six regions, as ground truth for placement.

Source: Microsoft, "Azure network round-trip latency statistics" (MicrosoftDocs/azure-docs,
articles/networking/azure-network-latency.md, ms.date 07/21/2023): monthly median (P50) between Azure regions, in
milliseconds; row "Source", column the region.  Cities and positions are those Azure names for its regions
(`az account list-locations`); positions are rounded to 0.1 degrees, which is 11 km.
"""

from __future__ import annotations

from membership.distance.estimate import Position

REGIONS = {
    "amsterdam": Position(latitude=52.4, longitude=4.9),  # West Europe
    "virginia": Position(latitude=37.4, longitude=-79.8),  # East US
    "washington": Position(latitude=47.2, longitude=-119.9),  # West US 2
    "singapore": Position(latitude=1.3, longitude=103.8),  # Southeast Asia
    "tokyo": Position(latitude=35.7, longitude=139.8),  # Japan East
    "saopaulo": Position(latitude=-23.6, longitude=-46.6),  # Brazil South
}
"""Where the nodes stand, in the order of the columns below."""

CITIES: dict[str, tuple[Position, tuple[int, ...]]] = {
    "London": (Position(latitude=50.9, longitude=-0.8), (9, 76, 134, 153, 217, 177)),  # UK South
    "Paris": (Position(latitude=46.4, longitude=2.4), (11, 82, 142, 147, 212, 183)),  # France Central
    "Dublin": (Position(latitude=53.3, longitude=-6.3), (18, 67, 130, 163, 231, 170)),  # North Europe
    "Frankfurt": (Position(latitude=50.1, longitude=8.7), (8, 87, 145, 155, 217, 189)),  # Germany West Central
    "Oslo": (Position(latitude=59.9, longitude=10.8), (21, 100, 157, 174, 236, 203)),  # Norway East
    "Johannesburg": (Position(latitude=-25.7, longitude=28.2), (183, 243, 309, 296, 358, 345)),  # South Africa North
    "Dubai": (Position(latitude=25.3, longitude=55.3), (119, 190, 256, 80, 148, 292)),  # UAE North
    "Doha": (Position(latitude=25.6, longitude=51.4), (124, 195, 261, 98, 170, 296)),  # Qatar Central
    "Mumbai": (Position(latitude=19.1, longitude=72.9), (130, 201, 210, 54, 122, 302)),  # West India
    "Chennai": (Position(latitude=13.0, longitude=80.2), (169, 235, 195, 35, 102, 337)),  # South India
    "Hong Kong": (Position(latitude=22.3, longitude=114.2), (187, 199, 141, 34, 46, 328)),  # East Asia
    "Seoul": (Position(latitude=37.6, longitude=127.0), (222, 184, 123, 69, 30, 301)),  # Korea Central
    "Osaka": (Position(latitude=34.7, longitude=135.5), (234, 163, 105, 77, 10, 285)),  # Japan West
    "Sydney": (Position(latitude=-33.9, longitude=151.2), (240, 204, 160, 89, 102, 319)),  # Australia East
    "Melbourne": (Position(latitude=-37.8, longitude=145.0), (237, 216, 171, 83, 113, 329)),  # Australia Southeast
    "Toronto": (Position(latitude=43.7, longitude=-79.4), (100, 18, 63, 218, 154, 128)),  # Canada Central
    "Chicago": (Position(latitude=41.9, longitude=-87.6), (99, 19, 47, 205, 143, 135)),  # North Central US
    "San Antonio": (Position(latitude=29.4, longitude=-98.5), (114, 33, 45, 192, 125, 141)),  # South Central US
    "Phoenix": (Position(latitude=33.4, longitude=-112.1), (131, 51, 37, 175, 108, 162)),  # West US 3
    "San Francisco": (Position(latitude=37.8, longitude=-122.4), (143, 64, 23, 169, 106, 179)),  # West US
}
"""Each city's position and its round trips to the regions, in milliseconds."""
