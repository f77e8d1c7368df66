"use strict";
// The figures are drawn already; this sorts tables and hides designs.
document.querySelectorAll("table.sortable").forEach((table) => {
  const headings = [...table.querySelectorAll("thead th")];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const numeric = heading.classList.contains("number");
      const before = heading.getAttribute("aria-sort");
      const order = before === "none" ? (numeric ? "descending" : "ascending") : before === "ascending" ? "descending" : "ascending";
      headings.forEach((other) => other.setAttribute("aria-sort", "none"));
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
});

document.querySelectorAll("[data-toggle]").forEach((button) => {
  button.addEventListener("click", () => {
    const shown = button.getAttribute("aria-pressed") === "true";
    button.setAttribute("aria-pressed", String(!shown));
    document.querySelectorAll("svg [data-design]").forEach((mark) => {
      if (mark.dataset.design === button.dataset.toggle) mark.style.display = shown ? "none" : "";
    });
  });
});

window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
