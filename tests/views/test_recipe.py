import subprocess
import sys

import pytest


@pytest.mark.once
def test_recipes_are_read_without_keras():
    program = (
        "import sys, _barlow_command; from barlow.views import RECIPES, Recipe, recipe_for;"
        "print(*RECIPES); assert 'keras' not in sys.modules;"
        "from barlow.views import ImageViews; assert 'keras' in sys.modules"
    )
    output = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert output.split() == ["glyphs", "grey", "photos", "imagenet"]
