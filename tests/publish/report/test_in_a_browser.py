"""The report in Chromium, opened from disk with the network off: what a person sees and does there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from doubles.report import PNG, box, save
from playwright.sync_api import sync_playwright

from up42_state.publish.report import write_report
from up42_state.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

HOSTILE = '</script><script>document.title="gone"</script><img src=x onerror="document.title=1">'
LINK = "javascript:document.title='gone'"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of three stages with a dropped feature that is back, a picture, and hostile texts."""
    root = tmp_path_factory.mktemp("report")
    job = State((root / "store").as_uri()).job("3f0c")
    scenes = [box("a", 13, cloud=1), box("b", 14), box("hostile", 15, text=HOSTILE, link=LINK)]
    scenes.append(box(HOSTILE, 17))
    save(job, "scenes:1", root, scenes, {".quicklooks/a.png": PNG})
    save(job, "clear:1", root, scenes[1:], after="scenes:1")
    save(job, "final:1", root, [box("ship", 13.1)], after="clear:1", propagate="scenes:1")
    return write_report(job, root / "job.html").path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or "chromium is not installed"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What the browser complains of, and what the page asks for."""
    return []


@pytest.fixture(scope="module")
def opened(browser: Browser, file: Path, told: list[str]) -> Iterator[Page]:
    """The page, ready: opened once, since that takes a second or more."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000}, offline=True)
    page = context.new_page()
    page.on("console", lambda message: told.append(message.text) if message.type != "info" else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: told.append(request.url[:200]))
    page.goto(file.as_uri())
    page.wait_for_selector("body[data-ready=map]")
    yield page
    context.close()


@pytest.fixture
def page(opened: Page, file: Path, told: list[str]) -> Iterator[Page]:
    """The page; whatever a test does there, the browser must not complain, nor ask for anything."""
    yield opened
    for switch in opened.locator(".layers input").all():
        switch.check()
    opened.get_by_label("Find by id or property").fill("")
    opened.evaluate("() => document.getElementById('chosen').replaceChildren()")
    assert [each for each in told if each != file.as_uri() and not each.startswith("data:")] == []


def layers(page: Page) -> dict[str, bool]:
    """Whether each layer of the map is visible, by its name."""
    found: dict[str, bool] = page.evaluate(
        """() => Object.fromEntries(Bokeh.documents[0].get_model_by_name("map").renderers
            .filter((each) => (each.name || "").startsWith("layer-"))
            .map((each) => [each.name, each.visible]))"""
    )
    return found


def click_at(page: Page, east: float, north: float) -> None:
    """Click on a place of the map, in degrees, as a person would."""
    # Once drawn: the map's own scales tell which pixel a place is at.
    script = """([east, north]) => {
        const plot = Bokeh.documents[0].get_model_by_name("map");
        const view = Bokeh.index.find_one ? Bokeh.index.find_one(plot) : Bokeh.index[plot.id];
        const x = east * Math.PI / 180 * 6378137;
        const y = Math.asinh(Math.tan(north * Math.PI / 180)) * 6378137;
        const frame = view.frame, box = view.el.getBoundingClientRect();
        return [box.x + frame.x_scale.compute(x), box.y + frame.y_scale.compute(y)];
    }"""
    page.wait_for_timeout(500)  # two clicks that follow each other at once are a double click
    x, y = page.evaluate(script, [east, north])
    page.mouse.click(x, y)
    page.wait_for_selector("#chosen .card")


def text(page: Page, selector: str) -> str:
    return page.locator(selector).first.inner_text()


def test_it_is_drawn(page: Page) -> None:
    """The map has every stage's layers, and is not one colour."""
    assert len(layers(page)) == 5
    assert all(layers(page).values())
    colours: Any = page.evaluate(
        """() => { const canvas = Bokeh.index.find_one
              ? Bokeh.index.find_one(Bokeh.documents[0].get_model_by_name("map")).canvas_view.primary.canvas
              : document.querySelector("canvas");
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            return new Set(new Uint32Array(data.buffer)).size; }"""
    )
    assert colours > 20


def test_layers_switch(page: Page) -> None:
    """A stage's box hides its layers, a fate's box those of all stages, and again shows them."""
    page.get_by_label("scenes:1").uncheck()
    assert {name for name, visible in layers(page).items() if not visible} == {
        "layer-0-kept-areas",
        "layer-0-dropped-areas",
    }
    page.get_by_label("scenes:1").check()
    page.get_by_label("returning by propagation").uncheck()
    assert [name for name, visible in layers(page).items() if not visible] == ["layer-2-returned-areas"]
    page.get_by_label("returning by propagation").check()
    assert all(layers(page).values())


def test_a_click_shows_properties_and_quicklook(page: Page) -> None:
    """All features under the pointer are told of, the last stage's first, with its picture."""
    click_at(page, 13.4, 54.05)
    assert "back from scenes:1@1" in text(page, "#chosen .card")
    assert "cloud" in text(page, "#chosen .card dl")
    loaded = page.wait_for_function(
        "() => { const image = document.querySelector('#chosen img'); return image && image.naturalWidth; }"
    )
    assert loaded.json_value() == 1
    assert page.get_by_alt_text("Quicklook of a").count() >= 1


def test_a_hidden_layer_tells_nothing(page: Page) -> None:
    """What is not shown cannot be chosen."""
    page.get_by_label("final:1").uncheck()
    click_at(page, 13.4, 54.05)
    assert "dropped by clear:1; back in final:1" in text(page, "#chosen .card")


def test_a_feature_is_found_by_keyboard_alone(page: Page) -> None:
    """Typing and the tab key get to a feature's properties, without a pointer."""
    page.get_by_label("Find by id or property").focus()
    page.keyboard.type("ship")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert text(page, "#chosen h4") == "ship"


def test_hostile_texts_stay_texts(page: Page) -> None:
    """Markup in ids and properties is shown, also where the pointer rests; no script of it runs."""
    page.get_by_label("Find by id or property").fill("javascript:")
    page.locator("#found button").first.click()
    assert HOSTILE in text(page, "#chosen .card dl")
    assert LINK in text(page, "#chosen .card dl")
    click_at(page, 17.2, 54.2)
    assert text(page, "#chosen h4") == HOSTILE
    page.wait_for_timeout(300)  # for the tooltip, which comes with the pointer
    assert page.title() == "3f0c – report"
    assert page.locator("#chosen a, #chosen script, #map img[src=x]").count() == 0


def test_no_script_of_others_runs(page: Page, told: list[str]) -> None:
    """The policy holds: neither a script that is put into the page nor text as code is run."""
    page.evaluate(
        """() => { const script = document.createElement("script");
            script.textContent = "document.title = 'gone'"; document.body.append(script); }"""
    )
    # Later: while the browser is driven from outside, it looks away.
    evaluated = page.evaluate(
        """() => new Promise((done) => setTimeout(() => {
            try { done(new Function("return 1")()); } catch (error) { done(error.name); } }, 10))"""
    )
    assert evaluated == "EvalError"
    assert page.title() == "3f0c – report"
    assert len([each for each in told if "Content Security Policy" in each]) >= 1
    told[:] = [each for each in told if "Content Security Policy" not in each]


@pytest.mark.parametrize("width", [900, 1600])
def test_nothing_is_wider_than_the_page(page: Page, width: int) -> None:
    """No part of the page sticks out on the right."""
    page.set_viewport_size({"width": width, "height": 1000})
    # The map takes its new width a moment after the window has.
    page.wait_for_function("(width) => document.documentElement.scrollWidth <= width", arg=width)
