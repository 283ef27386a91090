"""How a track gets from who publishes it to who receives it: each step with what is measured there.

records.py is the answer, steps.py makes steps of the engine's numbers (pure), tracks.py asks: the engine here, and over
the link that the track comes on the node behind it, which asks on. One trace id goes along and stands in every
node's log.
"""

from node.explain.records import TrackExplained, TrackStep
from node.explain.tracks import TrackTracer

__all__ = ["TrackExplained", "TrackStep", "TrackTracer"]
