"""The window: dock widgets, forms, workers and linked plots. The only room that knows Qt and napari."""

from atomscope.widgets.singletons import keep_singletons

keep_singletons()
