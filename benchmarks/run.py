"""Run every benchmark in this folder, one after the other, and print their tables.

``make bench`` runs it. Each benchmark is a script of its own that prints what it measured; those that have a
peer run it in turn with ours and print the ratio. A peer that is not installed is named and left out.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run the benchmarks named on the command line, or all of them."""
    here = Path(__file__).parent
    names = sys.argv[1:] or sorted(p.stem for p in here.glob("bench_*.py"))
    failed = 0
    for name in names:
        print(f"== {name}", flush=True)
        failed += subprocess.run([sys.executable, str(here / f"{name}.py")]).returncode != 0
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
