"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const narrow = window.matchMedia("(max-width: 46rem)");

function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: colour("--line"), linecolor: colour("--line"), zerolinecolor: colour("--line"), automargin: true };
  return {
    ...layout,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("--ink"), family: getComputedStyle(document.body).fontFamily, size: 13 },
    margin: { l: 56, r: 12, t: 8, b: 48 },
    legend: { orientation: "h", y: narrow.matches ? -0.4 : -0.22, yanchor: "top", font: { size: 12 } },
    hoverlabel: { namelength: -1 },
    xaxis: { ...axis, ...layout.xaxis, title: { ...layout.xaxis.title, font: { size: 13 } } },
    yaxis: {
      ...axis,
      ...layout.yaxis,
      ...(layout.yaxis.title ? { title: { ...layout.yaxis.title, font: { size: 13 } } } : {}),
      tickfont: { size: narrow.matches ? 10 : 13 },
    },
  };
}

function draw() {
  for (const [name, figure] of Object.entries(figures)) {
    Plotly.react(`plot-${name}`, figure.data, themed(figure.layout), { responsive: true, displayModeBar: false });
  }
}
draw();
const watcher = new ResizeObserver((entries) => entries.forEach((entry) => Plotly.Plots.resize(entry.target)));
document.querySelectorAll(".plot").forEach((plot) => watcher.observe(plot));
dark.addEventListener("change", draw);
narrow.addEventListener("change", draw);

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
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => sign * (numeric ? value(a) - value(b) : value(a).localeCompare(value(b))));
    table.tBodies[0].append(...rows);
  });
});
