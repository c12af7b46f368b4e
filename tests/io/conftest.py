import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # conformance.py and formats.py lie beside the tests
