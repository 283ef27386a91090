"""The node: one process that puts the parts together and shows them to people.

Only this package knows argv, files that operators edit, Quart and Hypercorn. From the outside in:

- :mod:`node.cli` is the program ``starling``; every verb loads lazily.
- :mod:`node.config` reads the settings: flag, environment, file, default, in that order.
- :mod:`node.service` is the service tree: what starts after what, and what ends it.
- :mod:`node.conductor` owns the sessions of this node and carries facts between rooms, links and
  the engine, which do not know each other.
- :mod:`node.http` is REST, the WebSocket and the page. It is a leaf: it asks the conductor through
  :class:`node.http.backend.Backend` and owns nothing that the mesh needs.
- :mod:`node.identity`, :mod:`node.admin` and :mod:`node.logging` are the node's key, its private
  loopback listener for the CLI, and its log.

Media packets never come here: the engine (:mod:`sfu`) is a process of its own.
"""
