"""The most memory that a script of its own process held."""

import subprocess
import sys

# Not getrusage: a child starts with the peak of the process that started it.
_TELL = """
def _peak_gb():
    import sys
    from pathlib import Path
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**20
    if sys.platform == "win32":
        import psutil
        return psutil.Process().memory_info().peak_wset / 2**30
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
print(_peak_gb())
"""


def peak_gb(script, *arguments):
    """Run a script in a process of its own and return the most memory it held, in GB of 2**30 bytes."""
    said = [str(a) for a in arguments]
    done = subprocess.run([sys.executable, "-c", script + _TELL, *said], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split()[-1])
