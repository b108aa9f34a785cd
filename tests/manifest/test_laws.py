"""Laws of matching, on chains of generated blocks."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from manifest.examples import data_block, processing_block

from up42_state.manifest import Key, Manifest, Verdict, check_workflow
from up42_state.manifest.capabilities import compare

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from up42_state.manifest import WorkflowReport

BANDS = st.lists(st.sampled_from(["red", "green", "nir"]), min_size=1, max_size=3, unique=True)
SCALARS: dict[str, SearchStrategy[Any]] = {
    "format": st.sampled_from(["GTiff", "SAFE"]),
    "dtype": st.sampled_from(["uint8", "uint16", "float"]),
    "sensor": st.sampled_from(["SPOT", "Pleiades"]),
    "bands": BANDS,
}
CUSTOM: dict[str, SearchStrategy[Any]] = {"kind": st.sampled_from(["a", "b", 1, True])}
PARAMETERS = {"layers": {"type": "array", "default": ["a"]}, "kind": {"type": "string", "default": "b"}}


def values(scalar: SearchStrategy[Any], *operators: str) -> SearchStrategy[Any]:
    """One value, several under ``or``, or an operator."""
    several = st.lists(scalar, min_size=1, max_size=3).map(lambda chosen: {"or": chosen})
    return st.one_of(scalar, several, *(st.just(operator) for operator in operators))


def capabilities(*operators: str) -> SearchStrategy[dict[str, Any]]:
    """Capabilities with up to two meta capabilities, any of the keys in each."""
    standard = st.fixed_dictionaries({}, optional={k: values(v, *operators) for k, v in SCALARS.items()})
    custom = st.fixed_dictionaries(
        {}, optional={k: values(v, *operators, "${kind}") for k, v in CUSTOM.items()}
    )
    meta = st.fixed_dictionaries({"up42_standard": standard, "custom": custom})
    other = st.fixed_dictionaries({"custom": custom})
    return st.fixed_dictionaries({"raster": meta}, optional={"vector": other})


INPUTS = capabilities()
OUTPUTS = capabilities(">")
CHAINS = st.tuples(OUTPUTS, st.lists(st.tuples(INPUTS, OUTPUTS), min_size=1, max_size=3))

Sides = tuple[dict[str, Any], dict[str, Any]]


def blocks(first: dict[str, Any], rest: list[Sides]) -> list[Manifest]:
    """A data block, and processing blocks after it."""
    documents = [data_block(name="block-0", output_capabilities=first, parameters=PARAMETERS)]
    for number, (needs, gives) in enumerate(rest, 1):
        sides = {"input_capabilities": needs, "output_capabilities": gives}
        documents.append(processing_block(name=f"block-{number}", parameters=PARAMETERS, **sides))
    return [Manifest.from_json(document) for document in documents]


def verdicts(report: WorkflowReport) -> list[Verdict]:
    return [edge.verdict for edge in report.edges]


def never_worse_than_possible(before: WorkflowReport, after: WorkflowReport) -> bool:
    """No edge that did not fail fails now."""
    pairs = zip(verdicts(before), verdicts(after), strict=True)
    return all(old == Verdict.FAILS or new != Verdict.FAILS for old, new in pairs)


@settings(deadline=None)
@given(chain=CHAINS, added=OUTPUTS, which=st.integers(0, 3))
def test_adding_keys_to_an_output_never_breaks_a_match(
    chain: tuple[dict[str, Any], list[Sides]], added: dict[str, Any], which: int
) -> None:
    """Whatever more a block offers, every edge that held still holds."""
    first, rest = chain
    assume(which <= len(rest))
    outputs = copy.deepcopy([first, *(gives for _, gives in rest)])
    for meta, sections in added.items():
        for section, keys in sections.items():
            place = outputs[which].setdefault(meta, {}).setdefault(section, {})
            outputs[which][meta][section] = keys | place
    changed = blocks(
        outputs[0], [(needs, gives) for (needs, _), gives in zip(rest, outputs[1:], strict=True)]
    )
    assert never_worse_than_possible(check_workflow(blocks(first, rest)), check_workflow(changed))


@settings(deadline=None)
@given(chain=CHAINS, choice=st.randoms())
def test_removing_a_key_from_an_input_never_breaks_a_match(
    chain: tuple[dict[str, Any], list[Sides]], choice: Any
) -> None:
    """Whatever less a block needs, every edge that held still holds, as long as it needs something."""
    first, rest = chain
    changed = copy.deepcopy(rest)
    needs = changed[choice.randrange(len(changed))][0]
    present = [
        (meta, section, key) for meta in needs for section in needs[meta] for key in needs[meta][section]
    ]
    assume(len(present) > 1)
    meta, section, key = choice.choice(present)
    del needs[meta][section][key]
    before, after = check_workflow(blocks(first, rest)), check_workflow(blocks(first, changed))
    assert never_worse_than_possible(before, after)


@settings(deadline=None)
@given(chain=CHAINS)
def test_a_chain_is_checked_as_its_edges_are(chain: tuple[dict[str, Any], list[Sides]]) -> None:
    """Checking each edge alone, after a data block with the resolved capabilities, gives the same report as
    the chain.
    """
    manifests = blocks(*chain)
    report = check_workflow(manifests)
    for before, block in itertools.pairwise(manifests):
        resolved: dict[str, Any] = {}
        for offer in report.outputs[f"{before.name}:1"]:
            resolved.update(offer["capabilities"])
        for sections in resolved.values():
            sections.setdefault("up42_standard", {})
        stand_in = Manifest.from_json(data_block(name=before.name, output_capabilities=resolved))
        alone = check_workflow([stand_in, block]).edge(f"{block.name}:1")
        assert alone == report.edge(f"{block.name}:1")


def concrete(value: Any) -> Any:
    return value["or"] if isinstance(value, dict) else [value]


@settings(deadline=None)
@given(offered=values(BANDS), needed=values(BANDS))
def test_the_verdict_is_that_of_every_case_that_may_come(offered: Any, needed: Any) -> None:
    """Certain: all alternatives fit by themselves; possible: some; fails: none."""
    key = Key("raster", "up42_standard", "bands")
    cases = [any(set(need) <= set(case) for need in concrete(needed)) for case in concrete(offered)]
    expected = Verdict.CERTAIN if all(cases) else Verdict.POSSIBLE if any(cases) else Verdict.FAILS
    assert compare(key, tuple(concrete(offered)), tuple(concrete(needed)), "a:1").verdict == expected


@settings(deadline=None)
@given(offered=INPUTS)
def test_what_is_offered_meets_the_same_need(offered: dict[str, Any]) -> None:
    """A block that asks for exactly what comes in is certain to work."""
    assert check_workflow(blocks(offered, [(offered, {})])).verdict == Verdict.CERTAIN
