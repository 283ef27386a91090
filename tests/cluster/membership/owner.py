"""A membership in a process of its own, to be killed or stopped."""

import contextlib
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from membership import MembershipConfig

PROGRAM = """
import hashlib, pickle, sys, trio
from membership import open_membership
async def main():
    config = pickle.load(sys.stdin.buffer)
    tags = config.tags(public_url="http://127.0.0.1", public_key=hashlib.sha256(config.node_id.encode()).digest())
    async with open_membership(config, tags):
        print("up", flush=True)
        await trio.sleep_forever()
trio.run(main)
"""


@contextlib.contextmanager
def owner_of(config: MembershipConfig, root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a node until the end of the block; what it logs is dropped."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        pickle.dump(config, process.stdin)
        process.stdin.close()
        try:
            yield process
        finally:
            process.kill()
