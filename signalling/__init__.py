"""The words: everything that is said between clients, nodes and their parts.

This package knows no socket and no other package of ours. It holds

- :mod:`signalling.ids`: one type per kind of name;
- :mod:`signalling.errors`: the stable codes of every refusal;
- :mod:`signalling.client`: JSON between a client and its node, and the per-connection machine;
- :mod:`signalling.mesh`: CBOR between nodes, by gossip and over links;
- :mod:`signalling.cbor`: the one decoder of foreign CBOR, bounded;
- :mod:`signalling.pace`, :mod:`signalling.keyed_pace`: how often somebody may speak.

A message is a frozen ``msgspec`` Struct in a tagged union. Decoders have a size limit and answer
garbage with an error of this package, never with one of a library.
"""
