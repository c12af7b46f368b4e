"""``python -m atomscope``: the command line where no script is on the path."""

from atomscope.cli import main

if __name__ == "__main__":
    main(prog_name="atomscope")
