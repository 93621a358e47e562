"use strict";
// What a reader gains with scripts: a table to sort and search, and a map that names its points.
// Without them, the table is in the order of the models, and browsers show the titles of points.
(() => {
  const add = (parent, name, properties = {}) =>
    parent.appendChild(Object.assign(document.createElement(name), properties));
  const table = document.getElementById("models");
  const rows = [...table.tBodies[0].rows];
  const map = document.getElementById("map");
  const points = map ? [...map.querySelectorAll("circle")] : [];
  const pointOf = new Map(points.map((point) => [Number(point.dataset.model), point]));
  let search;

  // ---- the table

  function sortBy(column, header) {
    const isNumber = header.classList.contains("number");
    const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    const order = new Intl.Collator(undefined, { numeric: true });
    const keys = new Map(rows.map((row, given) => {
      const text = row.cells[column].textContent;
      return [row, { text, number: parseFloat(text), given }];
    }));
    const compare = (a, b) => {
      if (!isNumber) return direction * order.compare(a.text, b.text);
      if (isNaN(a.number) || isNaN(b.number)) return isNaN(a.number) - isNaN(b.number);
      return direction * (a.number - b.number);
    };
    table.tBodies[0].append(...rows.slice().sort((a, b) => {
      const [first, second] = [keys.get(a), keys.get(b)];
      return compare(first, second) || first.given - second.given;
    }));
  }

  function makeSortable() {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => sortBy(column, header));
    });
  }

  function makeSearchable() {
    const bar = document.createElement("p");
    bar.className = "search";
    const label = add(bar, "label", { textContent: "Search models: " });
    search = add(label, "input", { type: "search", autocomplete: "off" });
    const count = add(bar, "output");
    const contents = rows.map((row) => row.textContent.toLowerCase());
    search.addEventListener("input", () => {
      const wanted = search.value.trim().toLowerCase();
      let found = 0;
      rows.forEach((row, model) => {
        const isFound = contents[model].includes(wanted);
        row.hidden = !isFound;
        found += isFound;
        pointOf.get(model)?.classList.toggle("found", isFound && wanted !== "");
      });
      const all = rows.length.toLocaleString("en");
      count.textContent = wanted ? ` ${found.toLocaleString("en")} of ${all}` : "";
    });
    table.parentElement.before(bar);
  }

  function showRow(model) {
    if (search?.value) {
      search.value = "";
      search.dispatchEvent(new Event("input"));
    }
    for (const row of rows) row.classList.remove("here");
    rows[model].classList.add("here");
    rows[model].tabIndex = -1;
    rows[model].focus({ preventScroll: true });
    rows[model].scrollIntoView({ block: "center" });
  }

  // ---- the map

  const at = (point) => [point.cx.baseVal.value, point.cy.baseVal.value];
  const texts = new Map(); // of each point: its name, and a line for each near model
  let here = null;
  let note, lines;

  function leave() {
    here?.classList.remove("here");
    here = null;
    note.replaceChildren();
    lines.replaceChildren();
  }

  function visit(point) {
    if (point === here) return;
    leave();
    here = point;
    here.classList.add("here");
    const [x, y] = at(here);
    for (const model of here.dataset.near.split(" ").filter(Boolean)) {
      const other = pointOf.get(Number(model));
      if (!other) continue;
      const line = document.createElementNS(map.namespaceURI, "line");
      const [x2, y2] = at(other);
      for (const [name, value] of Object.entries({ x1: x, y1: y, x2, y2 }))
        line.setAttribute(name, value);
      lines.append(line);
    }
    const [name, ...near] = texts.get(here);
    add(note, "strong", { textContent: name });
    if (near.length) add(note, "span", { textContent: "Nearest:" });
    for (const text of near) add(note, "span", { textContent: text });
    const [width, height] = [map.viewBox.baseVal.width, map.viewBox.baseVal.height];
    const toTheLeft = x > width / 2, above = y > height / 2;
    note.style.left = toTheLeft ? "auto" : `calc(${(100 * x) / width}% + .75rem)`;
    note.style.right = toTheLeft ? `calc(${100 - (100 * x) / width}% + .75rem)` : "auto";
    note.style.top = above ? "auto" : `${(100 * y) / height}%`;
    note.style.bottom = above ? `${100 - (100 * y) / height}%` : "auto";
  }

  function nearestTo(event) {
    const box = map.getBoundingClientRect();
    const scale = map.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    let found = null, least = (event.pointerType === "touch" ? 24 : 12) * scale;
    for (const point of points) {
      const [px, py] = at(point), away = Math.hypot(px - x, py - y);
      if (away < least) [found, least] = [point, away];
    }
    return found;
  }

  const directions = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
  };

  function step([dx, dy]) {
    // The nearest point in the quarter of the map that the arrow points to.
    const [x, y] = at(here);
    let found = here, least = Infinity;
    for (const point of points) {
      const [px, py] = at(point), along = (px - x) * dx + (py - y) * dy;
      const across = Math.abs((px - x) * dy - (py - y) * dx), away = along + 2 * across;
      if (along > 0 && across <= along && away < least) [found, least] = [point, away];
    }
    visit(found);
  }

  function makeMapReadable() {
    for (const point of points) {
      const title = point.querySelector("title");
      texts.set(point, title.textContent.split("\n"));
      title.remove(); // else the browser would show it, too
    }
    lines = document.createElementNS(map.namespaceURI, "g");
    map.prepend(lines);
    note = add(map.parentElement, "div", { className: "note" });
    note.setAttribute("role", "status");
    map.setAttribute("tabindex", "0");
    map.setAttribute("role", "application");
    map.setAttribute("aria-label", "Map of models: arrow keys go to the nearest, Enter to its row");
    add(map.closest("figure"), "figcaption", {
      textContent: "Point at a model, or use the arrow keys, to see what is nearest to it. Enter or a " +
        "double click goes to its row in the table of models.",
    });
    map.addEventListener("pointermove", (event) => {
      const point = nearestTo(event);
      if (point) visit(point); else leave();
    });
    map.addEventListener("pointerdown", (event) => {
      const point = nearestTo(event);
      if (point) visit(point); else leave();
    });
    map.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch") leave();
    });
    map.addEventListener("dblclick", () => here && showRow(Number(here.dataset.model)));
    map.addEventListener("focus", () => here ?? (map.matches(":focus-visible") && visit(points[0])));
    map.addEventListener("blur", leave);
    map.addEventListener("keydown", (event) => {
      if (event.key === "Escape") leave();
      else if (event.key === "Enter" && here) showRow(Number(here.dataset.model));
      else if (directions[event.key]) here ? step(directions[event.key]) : visit(points[0]);
      else return;
      event.preventDefault();
    });
  }

  makeSortable();
  if (rows.length > 10) makeSearchable();
  if (points.length) makeMapReadable();
})();
