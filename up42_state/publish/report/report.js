"use strict";
// Shows and hides layers, and tells of features. All texts are put in as text, never as markup.
(function () {
  const read = (name) => JSON.parse(document.getElementById(name).textContent);
  const features = read("features"), drawing = read("drawing"), pictures = read("pictures");
  const SHOWN = 20;
  let plot = null;

  const make = (name, text, kind) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };

  function described([label, properties, fate, picture], stage) {
    const card = make("article", undefined, "card");
    const title = make("h4", label);
    title.dir = "auto";
    card.append(title, make("p", features[stage].stage + (fate ? " · " + fate : ""), "note"));
    if (picture >= 0) {
      const image = make("img");
      image.alt = "Quicklook of " + label;
      image.src = pictures[picture];
      card.append(image);
    }
    const list = make("dl");
    for (const [name, text] of properties) list.append(make("dt", name), make("dd", text));
    card.append(list);
    return card;
  }

  function choose(found) {
    const place = document.getElementById("chosen");
    place.replaceChildren();
    if (found.length === 0) {
      place.append(make("p", "None chosen: click a footprint, or find a feature.", "note"));
      return;
    }
    if (found.length > 1) place.append(make("p", found.length + " features here", "note"));
    found.slice(0, SHOWN).forEach(([stage, row], number) => {
      const card = described(features[stage].rows[row], stage);
      if (number === 0) { place.append(card); return; }
      const fold = make("details");
      fold.append(make("summary", features[stage].rows[row][0] + " · " + features[stage].stage), card);
      place.append(fold);
    });
    if (found.length > SHOWN) place.append(make("p", "and " + (found.length - SHOWN) + " more", "note"));
  }

  function find(text) {
    const place = document.getElementById("found");
    place.replaceChildren();
    text = text.trim().toLowerCase();
    if (!text) return;
    let count = 0;
    for (let stage = features.length - 1; stage >= 0; stage--) {
      features[stage].rows.forEach((feature, row) => {
        const hit = feature[0].toLowerCase().includes(text) ||
          feature[1].some(([, value]) => value.toLowerCase().includes(text));
        if (!hit || ++count > SHOWN) return;
        const button = make("button", feature[0] + " · " + features[stage].stage);
        button.type = "button";
        button.addEventListener("click", () => { mark(stage, row); choose([[stage, row]]); });
        place.append(button);
      });
    }
    if (count > SHOWN) place.append(make("p", "and " + (count - SHOWN) + " more", "note"));
    if (count === 0) place.append(make("p", "No feature shown here has that.", "note"));
  }

  let marking = false;
  function sources() {
    return drawing.layers.flatMap((layer) => layer.names.map((name) => [layer, plot.select_one(name)]));
  }

  function mark(stage, row) {
    if (!plot) return;
    marking = true;
    for (const [layer, renderer] of sources()) {
      const rows = Array.from(renderer.data_source.data.row);
      renderer.data_source.selected.indices =
        layer.stage === stage ? rows.flatMap((each, at) => (each === row ? [at] : [])) : [];
    }
    marking = false;
  }

  let waiting = 0;
  function tapped() {
    if (marking || waiting) return;
    waiting = setTimeout(() => {  // every layer under the pointer tells by itself
      waiting = 0;
      const found = [];
      for (const [layer, renderer] of sources().reverse()) {
        if (!renderer.visible) continue;
        const rows = renderer.data_source.data.row;
        for (const row of new Set(Array.from(renderer.data_source.selected.indices, (at) => rows[at])))
          found.push([layer.stage, row]);
      }
      choose(found);
    }, 0);
  }

  function switched() {
    if (!plot) return;
    const on = (kind, value) => {
      const box = document.querySelector(`input[data-${kind}="${value}"]`);
      return box === null || box.checked;
    };
    for (const [layer, renderer] of sources())
      renderer.visible = on("stage", layer.stage) && on("fate", layer.fate);
  }

  document.querySelectorAll(".layers input").forEach((box) => box.addEventListener("change", switched));
  const search = document.getElementById("find");
  if (search) search.addEventListener("input", () => find(search.value));
  window.addEventListener("beforeprint", () =>
    document.querySelectorAll("section details").forEach((fold) => { fold.open = true; }));

  if (drawing) {
    Bokeh.embed.embed_item(drawing.item, "map").then((views) => {
      const [view] = views.roots ? views.roots : Array.from(views);
      plot = view.model;
      for (const [, renderer] of sources())
        renderer.data_source.selected.properties.indices.change.connect(tapped);
      plot.on_event("tap", tapped);  // a click on what is chosen already changes nothing, and tells all the same
      switched();
      document.body.dataset.ready = "map";
    });
  } else {
    document.body.dataset.ready = "none";
  }
})();
