"""Print the lowest versions that ``pyproject.toml`` allows of each package, as constraints for pip."""

import re
import tomllib
from pathlib import Path

# Tools of the tests whose newest releases want newer packages than ours: pandas fsspec 2025.7,
# check-jsonschema click 8.3.
BESIDE = ("pandas<3", "check-jsonschema<0.37")

project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"].values()
for requirement in [*project["dependencies"], *(each for extra in extras for each in extra)]:
    name, lowest = re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement).groups()
    print(f"{name}=={lowest}")
print(*BESIDE, sep="\n")
