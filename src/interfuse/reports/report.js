"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const narrow = window.matchMedia("(max-width: 46rem)");
const hidden = new Set();

// Colours are names of variables of report.css, so that the figures follow the theme.
function painted(value, style, key) {
  if (Array.isArray(value)) return value.map((item) => painted(item, style, key));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, painted(item, style, name)]));
  }
  const variable = typeof value === "string" && /color$/.test(key) && value.match(/^var\((--[\w-]+)\)$/);
  return variable ? style.getPropertyValue(variable[1]).trim() : value;
}

function merged(layout, extra) {
  const result = { ...layout };
  for (const [name, value] of Object.entries(extra || {})) {
    result[name] = value && typeof value === "object" ? { ...layout[name], ...value } : value;
  }
  return result;
}

function themed(figure, style) {
  const ink = style.getPropertyValue("--ink").trim();
  const soft = style.getPropertyValue("--soft").trim();
  const line = style.getPropertyValue("--line").trim();
  const wash = style.getPropertyValue("--wash").trim();
  const layout = painted(merged(figure.layout, narrow.matches ? figure.narrow : figure.wide), style, "");
  const size = narrow.matches ? 11 : 12.5;
  for (const name of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) {
    const title = layout[name].title && { ...layout[name].title, font: { size: size, color: soft }, standoff: 10 };
    layout[name] = { gridcolor: line, zerolinecolor: line, tickfont: { size }, automargin: true, fixedrange: true, ...layout[name], title };
  }
  return {
    ...layout,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: ink, family: getComputedStyle(document.body).fontFamily, size },
    margin: { l: 10, r: 14, t: 8, b: 10 },
    hoverlabel: { namelength: -1, bgcolor: wash, bordercolor: line, font: { color: ink, size: 13 } },
    hovermode: "closest",
  };
}

// A figure is drawn when it comes near the window, so that the page opens at once.
const drawn = new Set();
const place = (name) => document.getElementById(`plot-${name}`);

function draw(name) {
  const style = getComputedStyle(document.documentElement);
  const data = figures[name].data.map((trace) => ({ ...painted(trace, style, ""), visible: !hidden.has(trace.meta) }));
  drawn.add(name);
  Plotly.react(place(name), data, themed(figures[name], style), { responsive: true, displayModeBar: false });
}

function redraw() {
  for (const name of Object.keys(figures)) {
    const layout = merged(figures[name].layout, narrow.matches ? figures[name].narrow : figures[name].wide);
    place(name).style.minHeight = `${layout.height}px`;
  }
  drawn.forEach(draw);
}

const nearby = new IntersectionObserver((entries) => entries.forEach((entry) => {
  if (!entry.isIntersecting) return;
  nearby.unobserve(entry.target);
  draw(entry.target.id.replace(/^plot-/, ""));
}), { rootMargin: "400px" });
const sizes = new ResizeObserver((entries) => entries.forEach((entry) => {
  if (drawn.has(entry.target.id.replace(/^plot-/, ""))) Plotly.Plots.resize(entry.target);
}));
redraw();
for (const name of Object.keys(figures)) {
  nearby.observe(place(name));
  sizes.observe(place(name));
}
dark.addEventListener("change", redraw);
narrow.addEventListener("change", redraw);
window.addEventListener("beforeprint", () => Object.keys(figures).forEach(draw));

document.querySelectorAll(".legend button").forEach((button) => {
  button.addEventListener("click", () => {
    const shown = button.getAttribute("aria-pressed") === "true";
    button.setAttribute("aria-pressed", String(!shown));
    if (shown) hidden.add(button.dataset.design);
    else hidden.delete(button.dataset.design);
    redraw();
  });
});

const table = document.getElementById("leaderboard");
table.querySelectorAll("thead th").forEach((heading, column) => {
  heading.querySelector("button").addEventListener("click", () => {
    const numeric = heading.classList.contains("number");
    const before = heading.getAttribute("aria-sort");
    const order = before === "none" ? (numeric ? "descending" : "ascending") : before === "ascending" ? "descending" : "ascending";
    table.querySelectorAll("thead th").forEach((other) => other.setAttribute("aria-sort", "none"));
    heading.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const value = (row) => row.children[column].dataset.value;
    const compare = (a, b) => {
      if (a === "" || b === "") return (a === "") - (b === ""); // no value: last, either way
      return sign * (numeric ? a - b : a.localeCompare(b));
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort((a, b) => compare(value(a), value(b))));
  });
});
