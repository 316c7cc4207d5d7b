# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Program `genpose`: the commands, with signals answered before they are imported."""

from genpose_ros.stopping import interrupt_soon

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments name.

    Raises:
        SystemExit: with the command's exit code.
    """
    interrupt_soon("genpose: interrupted")
    from genpose_ros.cli import app

    app()


if __name__ == "__main__":
    main()
