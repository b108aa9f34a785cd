"""Merge with ``orjson``: append the features of the second file whose id the first lacks."""

from __future__ import annotations

import sys

import orjson

current, earlier, target = sys.argv[1:]
with open(current, "rb") as file:
    merged = orjson.loads(file.read())
with open(earlier, "rb") as file:
    other = orjson.loads(file.read())
known = {feature["id"] for feature in merged["features"]}
merged["features"] += [feature for feature in other["features"] if feature["id"] not in known]
with open(target, "wb") as file:
    file.write(orjson.dumps(merged))
