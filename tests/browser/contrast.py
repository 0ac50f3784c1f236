"""How far words and figures stand out from what is behind them, by the formula of WCAG 2.2."""

CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const part = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const paper = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const found = rgba(getComputedStyle(one).backgroundColor);
      if (found[3] === 255) return found;
    }
    throw new Error("nothing is painted behind " + element.outerHTML.slice(0, 80));
  };
  const between = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const found = [];
  const add = (kind, what, ink, box) => found.push({kind, what, ratio: between(light(ink), light(paper(box)))});
  const words = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  for (const element of document.querySelectorAll("body *")) {
    const style = getComputedStyle(element), inside = element.closest(".plot");
    if (!element.getClientRects().length || element.closest(".heatmap-label, script, style")) continue;
    const box = (inside ?? element);
    if (words(element)) {
      const ink = rgba(element instanceof SVGElement ? style.fill : style.color);
      add("text", element.textContent.trim().slice(0, 60), ink, box);
    } else if (inside && element.matches("path.js-line, .points path, .xerror")) {
      const stroke = style.fill !== "none" && element.matches(".point") ? style.fill : style.stroke;
      if (stroke !== "none")
        add("mark", inside.dataset.figure, rgba(stroke), box);
    }
  }
  return found;
})()"""
"""JavaScript for a list of `{kind, what, ratio}`: kind `text` for words, `mark` for lines and points of figures."""
