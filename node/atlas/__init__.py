"""The map: the nodes of a cluster where they stand, and the round trips between them, in characters.

- land.py knows where there is land, for each degree.
- window.py chooses the part of the earth to show and says where a place lies in it.
- canvas.py is paper made of characters: dots in Braille, or plain ASCII where a terminal has no more.
- ways.py says how each round trip is known: measured by a link, estimated, at the map's floor, guessed.
- picture.py draws all of that: `draw_map`.

Everything is computed from what a node answers on its admin listener, and nothing here asks or prints. The demo
shows the map live, `starling rtt --map` once.
"""

from node.atlas.picture import can_draw_dots, draw_map
from node.atlas.ways import Known, how_known, way_label
from node.atlas.window import ROWS_PER_COLUMN

__all__ = ["ROWS_PER_COLUMN", "Known", "can_draw_dots", "draw_map", "how_known", "way_label"]
