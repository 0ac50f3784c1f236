(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const themed = (layout) => {
    const axis = {gridcolor: colour("--grid"), linecolor: colour("--line"), zerolinecolor: colour("--soft"), fixedrange: false};
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: {l: 56, r: 14, t: 12, b: 46},
      font: {family: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif", size: 13, color: colour("--ink")},
      hoverlabel: {align: "left"}, dragmode: false, ...layout,
      xaxis: {...axis, ...layout.xaxis}, yaxis: {...axis, ...layout.yaxis},
    };
  };
  const draw = (place) => {
    const figure = figures[place.dataset.figure];
    place.style.minHeight = figure.layout.height + "px";
    Plotly.react(place, figure.data, themed(figure.layout),
      {responsive: true, displaylogo: false, displayModeBar: place.dataset.figure.startsWith("map:") ? "hover" : false,
        modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"]});
    place.dataset.drawn = "yes";
  };
  const places = [...document.querySelectorAll(".plot")];
  // Figures are drawn as they come near, so that a page with many of them opens at once.
  const watcher = new IntersectionObserver((seen) => seen.filter((one) => one.isIntersecting).forEach((one) => {
    watcher.unobserve(one.target);
    draw(one.target);
  }), {rootMargin: "600px"});
  places.forEach((place) => watcher.observe(place));
  document.querySelectorAll("select[data-for]").forEach((select) => select.addEventListener("change", () => {
    const place = document.getElementById(select.dataset.for);
    place.dataset.figure = select.value;
    draw(place);
  }));
  dark.addEventListener("change", () => places.filter((place) => place.dataset.drawn).forEach(draw));
  addEventListener("beforeprint", () => places.filter((place) => !place.dataset.drawn).forEach(draw));
})();
