"""Entry point of `ink-infra-mcp` and `python -m ink_infra_mcp`."""

import gc
import sys


def main() -> None:
    """Run the command line; the exit status is the command's."""
    # the collector only costs while modules are imported: nothing of theirs is ever garbage
    gc.disable()
    from ink_infra_mcp.cli.parser import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
