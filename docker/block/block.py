"""A block to copy: it reports the size of every scene; propagation brings the scenes themselves along."""

from pathlib import Path

from geojson import Feature, FeatureCollection

from up42_state import Block


def process(block: Block) -> None:
    """Read ``block.input`` and ``block.parameters``, write files and features."""
    reports = []
    for number, scene in enumerate(block.input["features"]):
        path = block.input_dir / scene["properties"]["up42.data_path"]
        size = sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())
        report = Path(f"report-{number}.txt")
        (block.output_dir / report).write_text(f"{size / block.parameters.get('unit_bytes', 1):g}\n")
        reports.append(Feature(geometry=scene["geometry"], properties={"up42.data_path": str(report)}))
    block.write(FeatureCollection(reports))


if __name__ == "__main__":
    with Block.from_env() as block:
        process(block)
