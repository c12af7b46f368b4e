from conformance import ReaderConformance


class TestReaders(ReaderConformance):
    """Every reader, every promise."""
