"""Two views of an image: what a Barlow Twins model learns to recognise as the same."""

from barlow.views.image_views import ImageViews
from barlow.views.recipe import RECIPES, Recipe

__all__ = ["RECIPES", "ImageViews", "Recipe"]
