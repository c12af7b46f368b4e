"""LiberTEM, asked over standard input by ``bench_scan.py``; runs in the venv of the peers, imports nothing of ours.

A line of JSON says what to load; then each line that names a job is answered by its seconds and the sum of its result.
"""

from __future__ import annotations

import json
import sys
import time


def main() -> None:
    """Answer until standard input ends."""
    from libertem.api import Context
    from libertem.executor.concurrent import ConcurrentJobExecutor
    from libertem.udf.sum import SumUDF

    said = json.loads(sys.stdin.readline())
    rows, cols, inner, outer = said["rows"], said["cols"], said["inner"], said["outer"]
    contexts = {"threads": Context(ConcurrentJobExecutor.make_local()), "processes": Context()}
    jobs = {}
    for name, context in contexts.items():
        data = context.load("npy", path=said["path"], sig_dims=2)
        where = {"cy": (rows - 1) / 2, "cx": (cols - 1) / 2}
        ring = context.create_ring_analysis(data, ri=inner, ro=outer, **where)
        com = context.create_com_analysis(data)
        udfs = [SumUDF(), ring.get_udf(), com.get_udf()]
        jobs[f"annulus {name}"] = lambda c=context, r=ring: c.run(r).intensity.raw_data.sum()
        jobs[f"three {name}"] = lambda c=context, d=data, u=udfs: c.run_udf(d, u)[0]["intensity"].data.sum()
    for job in jobs.values():  # compile
        job()
    print(json.dumps(sorted(jobs)), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        total = jobs[line.strip()]()
        print(json.dumps({"s": time.perf_counter() - start, "total": float(total)}), flush=True)
    for context in contexts.values():
        context.close()


if __name__ == "__main__":
    main()
