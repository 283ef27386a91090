"""``python -m node`` is ``starling``."""

from node.cli import main

if __name__ == "__main__":
    main()
