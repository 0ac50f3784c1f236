(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const root = document.documentElement;
  const places = [...document.querySelectorAll(".plot")];
  const keys = [...document.querySelectorAll("button.key")];
  const off = (key) => key.getAttribute("aria-pressed") === "false";
  const hidden = new Set(keys.filter(off).map((key) => key.dataset.toggle));  // what the legends' keys do not show

  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const inked = (part) => {
    if (typeof part === "string" && part.startsWith("--")) {
      const [name, opacity = ""] = part.split("+");
      return colour(name) + opacity;
    }
    if (part === null || typeof part !== "object" || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, inked(value)]));
  };
  const traced = (trace) => {
    const made = {...trace, visible: ![].concat(trace.meta ?? []).some((key) => hidden.has(key))};
    for (const key of ["line", "marker", "error_x", "fillcolor"]) if (key in trace) made[key] = inked(trace[key]);
    return made;
  };

  // The same figure for the width there is: on a phone a scale lies below its grid, and names take two lines.
  const fitted = (name, width) => {
    const figure = figures[name], kind = name.split(":")[0], narrow = width < 520;
    const data = figure.data.map(traced), layout = {...figure.layout};
    if (kind === "heat" || kind === "heads") {
      const [cells] = data, title = {...cells.colorbar.title, side: narrow ? "top" : "right", font: {size: 12}};
      const bar = {title, outlinewidth: 0, thickness: 12, tickfont: {color: colour("--soft"), size: 12}};
      cells.colorbar = narrow
        ? {...bar, orientation: "h", x: 0, xanchor: "left", y: 0, yanchor: "top", ypad: 48, xpad: 0, len: 1, nticks: 5}
        : bar;
      if (narrow) layout.margin = {b: 108};
      if (narrow) layout.height += 56;
      layout.plot_bgcolor = colour("--empty");
      if (kind === "heat" && (width - (narrow ? 110 : 260)) / cells.z[0].length < 40) delete cells.texttemplate;
    }
    if (kind === "forest" && narrow) {
      layout.height += 12 * data[0].x.length;
      layout.yaxis = {...layout.yaxis, ticktext: layout.yaxis.ticktext.map((text) => text.replace(" – ", " –<br>"))};
    }
    if (kind === "map") layout.height = Math.max(300, Math.min(layout.height, width));
    return {data, layout};
  };

  const themed = (layout) => {
    const axis = {gridcolor: colour("--grid"), linecolor: colour("--line"), zerolinecolor: colour("--soft"),
      tickfont: {color: colour("--soft"), size: 12}, automargin: true};
    const titled = (one) => ({...axis, ...one, title: {standoff: 8, ...one.title, font: {size: 13}}});
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false,
      font: {family: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif", size: 13, color: colour("--ink")},
      hoverlabel: {align: "left", bgcolor: colour("--card"), bordercolor: colour("--soft"), font: {color: colour("--ink")}},
      modebar: {bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--ink")},
      ...layout, margin: {l: 40, r: 12, t: 12, b: 44, ...layout.margin},
      xaxis: titled(layout.xaxis), yaxis: titled(layout.yaxis),
    };
  };

  const draw = (place) => {
    const {data, layout} = fitted(place.dataset.figure, place.clientWidth);
    place.style.minHeight = layout.height + "px";
    place.setAttribute("aria-label", figures[place.dataset.figure].alt);
    place.dataset.width = place.clientWidth;
    if ("colorbar" in data[0]) Plotly.purge(place);  // react leaves parts of the old scale behind
    Plotly.react(place, data, themed({...layout, width: place.clientWidth}),
      {displaylogo: false, displayModeBar: place.dataset.figure.startsWith("map:") ? "hover" : false,
        modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"]});
  };
  const drawn = () => places.filter((place) => place.dataset.width);

  // Figures are drawn as they come near, so that a page with many of them opens at once; room for each is kept before.
  const near = new IntersectionObserver((seen) => seen.filter((one) => one.isIntersecting).forEach((one) => {
    near.unobserve(one.target);
    draw(one.target);
  }), {rootMargin: "600px"});
  const sized = new ResizeObserver((seen) => seen.forEach(({target}) => {
    if (target.dataset.width && Number(target.dataset.width) !== target.clientWidth) draw(target);
  }));
  for (const place of places) {
    place.style.minHeight = fitted(place.dataset.figure, place.clientWidth).layout.height + "px";
    near.observe(place);
    sized.observe(place);
  }

  for (const select of document.querySelectorAll("select[data-for]")) select.addEventListener("change", () => {
    const place = document.getElementById(select.dataset.for);
    place.dataset.figure = select.value;
    draw(place);
  });
  for (const key of keys) key.addEventListener("click", () => {
    const what = key.dataset.toggle, show = hidden.delete(what);
    if (!show) hidden.add(what);
    for (const same of keys) if (same.dataset.toggle === what) same.setAttribute("aria-pressed", String(show));
    drawn().forEach(draw);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn().forEach(draw));
  // Paper is white and narrow, whatever the screen is.
  addEventListener("beforeprint", () => { root.classList.add("paper"); places.forEach(draw); });
  addEventListener("afterprint", () => { root.classList.remove("paper"); drawn().forEach(draw); });
})();
