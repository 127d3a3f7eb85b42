"""Two views of an image, a signal or a row: what a model learns to recognise as the same.

The recipes are read without importing Keras.
"""

from typing import TYPE_CHECKING

from barlow._lazy import attach

if TYPE_CHECKING:
    from barlow.views.image_views import ImageViews
    from barlow.views.recipe import RECIPES, Recipe, recipe_for
    from barlow.views.signal_views import SignalViews
    from barlow.views.table_views import TableViews

__all__ = ["RECIPES", "ImageViews", "Recipe", "SignalViews", "TableViews", "recipe_for"]

__getattr__, __dir__ = attach(
    __name__,
    {
        "RECIPES": "recipe",
        "ImageViews": "image_views",
        "Recipe": "recipe",
        "SignalViews": "signal_views",
        "TableViews": "table_views",
        "recipe_for": "recipe",
    },
)
