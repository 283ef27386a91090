"""Where land is, coarse enough for a map of dots.

A cell is 1.5 degrees wide and high, from 180 degrees west and 81 north, row by row; its bit says whether its middle is
on land. Rasterised from the land polygons of Natural Earth at 1:110 million, which are in the public domain.
"""

from __future__ import annotations

import base64
import zlib
from functools import cache
from typing import Final

__all__ = ["CELL", "land"]

CELL: Final = 1.5
"""Degrees."""

NORTH: Final = 81.0
COLUMNS: Final = 240
ROWS: Final = 92

BITS: Final = (
    "eNqVlb9vFEcUx9/cHLeWuHiRIsFJnLQnRaIk7nAE8VyZjpSU14WSHuMZCyluEFDS3f9BkzVIkQsUt3QsciS3K1wwiZd57Pzct/Zx"
    "ElPc7s3n3q/vezMH4FYjl4hYA+QlUwBZCd0a3n2sZUsrAO13poSWkFXC00d+Z0zor8+3FHjaLlYBb4PkAWbuszX20Ub2XSXT7PU/"
    "xyUUGLYmnLd+mpENyQAGojxGyDTYzBCnmX02aBMssPwk/j/MqxzR+mkADvyvsNwV1lt+78+9QkNud+CXo+E8xvyx9s89VjvHypaa"
    "Ujr1b4P6ps5wH5HvV6RUyFyIs4XmGraA/4dkGVumDfd8i9kY+RmB5w2Ic/ui8hIWtgJK217kqnD0nYuT1x28NWlVnTPrOTMWbkCV"
    "oLYdGYLVv/F0PDpJtLbdnIGrc+lacH1wI9ESnBRMOGrrvFPQcnzlduuDs82WlKpE8czFlR39EuSy6uN7OzNXSLWaiqk32jf+LYou"
    "QcRPsogVEXrkqah2vPJ4QqlLUBy+qPJgm1Hq51L9cbp84WBDW2w8hVsCPX0wCpSnnwr4KVAzHQbKUv6bt8M0ID6bXqI/GHgT6DgF"
    "lrG6wrh+uizT9KUjJPBvFuh+mssbHf0chVSEvpzHEIjiAr1pYB7Ta3B5gV4x8DAWbvAgNSXcG6aTxch3nXbhjBHBhXHadZ5hB64l"
    "+hdyPEV61nbGm4kuDci31DEUUygTbUAyQ6+zTHdxj3V71A0QzAShFewyCYq6Vol+VrANUlHKO9u2c9vtCM0IZWwex1mXMGmvv99p"
    "1k/3gs62XRMYQG/dx0RVe6YX7Q1DVu6akug1L15HbcmiCN15NYL+tdXELtnn+zH0bSN1Ej/c6dHC7/Iwu9t7/1Iq/KzwMLuT3aHq"
    "09JT19npE/WgTxtfsaObG7/JPnXJhsluC8pVn6qO8hncLxXJ2VMZTsU25IsZqdd7lnHeZlTpPMgge9NIboc+ZR/7tPE5Vz6Zqyd0"
    "dBL96NMqTqhYiR74XXFOqYw0U+F72aOuOdLweNNUw8s03IBtlvWA0sormsX6dc+zT8aMIm1W0Aa+n4abotB97SJtwh/hauqN8iqe"
    "d9mj3ijOS1b9TCvqCRdipLPELtGsho2OqguUz2EzUbNiYNJRY/oSWxDPq2iaSl6v8JwS5SsGlZVrbWGdLaHlWnqo1lC21jNo+O71"
    "FbntHcM="
)
"""Packed with zlib, so that this file can be read past."""


@cache
def land() -> tuple[tuple[float, float], ...]:
    """Middles of the cells on land, as (longitude, latitude) in degrees."""
    bits = zlib.decompress(base64.b64decode(BITS))
    cells = ((row, column, row * COLUMNS + column) for row in range(ROWS) for column in range(COLUMNS))
    return tuple(
        (-180 + CELL * (column + 0.5), NORTH - CELL * (row + 0.5))
        for row, column, place in cells
        if bits[place // 8] & (128 >> place % 8)
    )
