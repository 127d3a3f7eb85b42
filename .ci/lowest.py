"""Print the lowest versions of what users install that pyproject.toml allows, for pip."""

import pathlib
import re
import tomllib

project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
used = [project["dependencies"], *(extras[name] for name in extras if name not in ("bench", "dev"))]
for name, version in re.findall(r"'([\w-]+)>=([\d.]+)'", str(used)):
    print(f"{name}=={version}")
    if name == "tensorflow":  # the same without what GPUs need
        print(f"tensorflow-cpu=={version}")
print("pyparsing==3.1.0")  # Matplotlib's: the lowest Matplotlib calls what later ones deprecate
