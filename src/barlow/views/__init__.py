"""Two views of an image, a signal or a row: what a model learns to recognise as the same."""

from barlow.views.image_views import ImageViews
from barlow.views.recipe import RECIPES, Recipe, recipe_for
from barlow.views.signal_views import SignalViews
from barlow.views.table_views import TableViews

__all__ = ["RECIPES", "ImageViews", "Recipe", "SignalViews", "TableViews", "recipe_for"]
