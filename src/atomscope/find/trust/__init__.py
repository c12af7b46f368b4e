"""How good a table of sites is.

Beside a reference (``compare``, by the pairs of ``match``), beside its own probabilities (``reliability``), and by
itself (``quality``, which knows ``gaps``).
"""
