"""REST, WebSocket and page: the node's face to clients.

A leaf of the service tree. :mod:`node.http.backend` is all it asks of the node;
:mod:`node.http.server` puts Hypercorn under it, held by :mod:`node.http.guard`, because one bad
client must never end the process; :mod:`node.http.app` is the Quart application with one file a
resource in :mod:`node.http.rest`; :mod:`node.http.websocket` runs one client's socket.
"""
