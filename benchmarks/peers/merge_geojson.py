"""Merge with ``geojson``: append the features of the second file whose id the first lacks."""

from __future__ import annotations

import sys

import geojson

current, earlier, target = sys.argv[1:]
with open(current) as file:
    merged = geojson.load(file)
with open(earlier) as file:
    other = geojson.load(file)
known = {feature["id"] for feature in merged["features"]}
merged["features"] += [feature for feature in other["features"] if feature["id"] not in known]
with open(target, "w") as file:
    geojson.dump(merged, file)
