"""How Starling is set up and run for real.

`setup/` makes a bare clone ready (standard library only, because nothing is installed yet). Beside it lie the files an
operator takes: `starling.service` (systemd), `Containerfile` (one node as an image) and `compose.yaml` (three regions
on one machine). tests/unit/deploy checks what can be checked without an engine to run them.
"""
