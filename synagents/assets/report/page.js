"use strict";
// Draws what Python computed: every number that a card states is in the data, nothing is requested from anywhere.

let DATA = JSON.parse(document.getElementById("data").textContent);
const COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#999999"]; // Okabe and Ito 2008
const ASKED_FIRST = ["Is it still improving?", "Which layer changes most?", "What does the policy do after a bad round?", "Do the rewards say more than noise?"];
const cards = document.getElementById("cards");
// at: the moment that a card shows, none for the last; kind: what it shows; hidden: runs and lines that are clicked away.
const state = { run: 0, at: {}, kind: {}, log: {}, plots: {}, hidden: new Set() };

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const place = (title) => title.toLowerCase().replace(/[^a-z0-9]+/g, "-");

function card(title, verdict, ...children) {
  const made = element("section", { id: place(title) }, element("h2", {}, title));
  if (verdict) made.append(element("p", { class: "verdict" }, verdict));
  made.append(...children);
  cards.append(made);
  return made;
}

const short = (x) => (x === null || x === undefined ? "–" : typeof x === "number" ? String(+x.toPrecision(4)) : String(x));

function table(head, rows) {
  const numbers = head.map((_, i) => rows.every((row) => typeof row[i] === "number" || row[i] === null));
  const cell = (value, i) => element("td", { class: numbers[i] && "number" }, value instanceof Node ? value : short(value));
  const body = element("tbody"), shown = rows.map((row) => [row, element("tr", {}, ...row.map(cell))]);
  body.append(...shown.map(([, made]) => made));
  let sorted = [null, 1]; // the column, and 1 up or -1 down
  const sort = (i) => {
    sorted = [i, sorted[0] === i ? -sorted[1] : 1];
    const said = (cell) => (cell instanceof Node ? cell.textContent : short(cell));
    const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : said(a).localeCompare(said(b), "en", { numeric: true }));
    body.append(...shown.toSorted(([a], [b]) => sorted[1] * order(a[i], b[i])).map(([, made]) => made));
  };
  const heading = (name, i) => element("th", { class: numbers[i] && "number" }, name && element("button", { onclick: () => sort(i), title: "sort" }, name));
  return element("div", { class: "scroll" }, element("table", {}, element("thead", {}, element("tr", {}, ...head.map(heading))), body));
}

// Runs are hidden in all curves that several share, other lines in their own card alone.
const hiding = (line, title) => (line.run === undefined ? `${title}: ${line.label}` : `run ${line.run}`);

function hide(what, off) {
  if (off) state.hidden.add(what); else state.hidden.delete(what);
  for (const [title, { plot, lines }] of Object.entries(state.plots)) {
    lines.forEach((line, i) => {
      if (hiding(line, title) === what) for (const part of [1, 2, 3]) plot.setSeries(3 * i + part, { show: !off });
    });
    mark(title);
  }
  for (const box of document.querySelectorAll("input[data-hides]")) box.checked = !state.hidden.has(box.dataset.hides);
}

// Legends say to whoever does not see them what a click does.
function mark(title) {
  const { names, lines } = state.plots[title];
  names.forEach((name, i) => name.setAttribute("aria-pressed", String(!state.hidden.has(hiding(lines[i], title)))));
}

function legend(title, into) {
  const { lines } = state.plots[title], rows = into.querySelectorAll(".u-series");
  state.plots[title].names = lines.map((line, i) => {
    const row = rows[3 * i + 1], name = row.querySelector("th"), what = hiding(line, title);
    const click = (event) => { event.stopPropagation(); event.preventDefault(); hide(what, !state.hidden.has(what)); };
    for (const [key, value] of Object.entries({ role: "button", tabindex: 0, title: "hide or show" })) name.setAttribute(key, value);
    row.addEventListener("click", click, true); // before uPlot's own, which would leave the band
    name.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") click(event); });
    return name;
  });
  mark(title);
}

const tick = (v) => (Math.abs(v) >= 1000 || v === 0 ? v.toLocaleString("en") : Math.abs(v) < 0.001 ? v.toExponential(1) : String(+v.toPrecision(3)));

function axis(label, size) {
  const grid = { stroke: css("--line"), width: 1 };
  return { label, stroke: css("--text"), grid, ticks: grid, size, labelSize: 22, values: (u, at) => at.map((v) => (v === null ? "" : tick(v))), font: "12px system-ui", labelFont: "12px system-ui" };
}

// lines: [{label, x, mean, low, high}]; a band from low to high where there are several seeds.
function chart(into, lines, xLabel, yLabel, key) {
  const tables = lines.map((line) => [line.x, line.mean, line.low, line.high]);
  const data = tables.length > 1 ? uPlot.join(tables) : tables[0];
  const series = [{ label: xLabel }], bands = [];
  lines.forEach((line, i) => {
    const color = COLORS[i % COLORS.length], at = series.length, show = !state.hidden.has(hiding(line, key));
    const edge = { stroke: "transparent", points: { show: false }, spanGaps: true, show };
    series.push({ label: line.label, show, stroke: color, width: 2, spanGaps: true, points: { show: false }, value: (u, v) => short(v) });
    series.push({ ...edge, label: "lowest", class: "edge" }, { ...edge, label: "highest", class: "edge" });
    bands.push({ series: [at + 2, at + 1], fill: color + "33" });
  });
  const log = state.log[key] || {};
  const width = Math.max(240, into.clientWidth - 4);
  const plot = new uPlot({
    width, height: 240, series, bands,
    scales: { x: { time: false, distr: log.x ? 3 : 1 }, y: { distr: log.y ? 3 : 1 } },
    axes: [axis(xLabel, 44), axis(yLabel, 62)],
    cursor: { drag: { x: true, y: true, uni: 30 } },
  }, data, into);
  into.querySelectorAll(".edge").forEach((row) => { row.style.display = "none"; });
  return plot;
}

// Whether somebody has cut out a part of the curves: it stays cut out when they are drawn anew.
const zoomed = (plot) => plot.scales.x.min > plot.data[0][0] || plot.scales.x.max < plot.data[0].at(-1);

function chartCard(title, verdict, lines, xLabel, yLabel) {
  const made = card(title, verdict);
  const plotArea = element("div");
  const draw = () => {
    plotArea.replaceChildren();
    const before = state.plots[title]?.plot, now = chart(plotArea, lines, xLabel, yLabel, title);
    state.plots[title] = { plot: now, lines };
    legend(title, plotArea);
    if (before && zoomed(before)) for (const name of ["x", "y"]) now.setScale(name, { min: before.scales[name].min, max: before.scales[name].max });
  };
  const toggle = (name) => element("label", {}, element("input", {
    type: "checkbox", onchange: (event) => { (state.log[title] ||= {})[name] = event.target.checked; draw(); },
    ...((state.log[title] || {})[name] ? { checked: "" } : {}),
  }), ` logarithmic ${name}`);
  const positive = (name) => lines.every((line) => line[name].every((v) => v === null || v > 0));
  const toggles = [...(positive("x") ? [toggle("x")] : []), ...(positive("mean") && positive("low") ? [toggle("y")] : [])];
  made.append(plotArea, element("p", { class: "quiet" }, ...toggles, "Drag zooms, double-click resets, names hide."));
  draw();
}

function bytes(text) {
  const raw = atob(text), out = new Int8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

// Blue below zero, white at it, orange above, full at 127: told apart by all kinds of color vision.
function paint(canvas, { values, rows, columns, mark }) {
  canvas.width = columns; canvas.height = rows;
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) {
    const share = i < values.length ? values[i] / 127 : 0, away = Math.abs(share);
    const end = share < 0 ? [0, 114, 178] : [213, 94, 0];
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = 255 + (end[c] - 255) * away;
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  if (mark !== undefined) { context.fillStyle = "#000"; context.fillRect(mark, 0, 1, 1); }
}

// What is shown of a layer: for images, what each of the first units weighs, as images; of a raster all moments, a
// column each, below a row in which the present one is marked; otherwise the matrix.
// `at` is the moment; `place(row, column)` says in words which agent a pixel is.
function tiles(layer, at) {
  const all = layer.bytes ||= bytes(layer.values), size = layer.rows * layer.columns;
  if (layer.raster) {
    const out = new Int8Array(size + layer.columns);
    out.set(all, layer.columns);
    return { values: out, rows: layer.rows + 1, columns: layer.columns, mark: at, place: (row, column) => `${row ? `number ${row - 1}` : "the present moment"}, column ${column}` };
  }
  const own = all.subarray(at * size, (at + 1) * size);
  if (!layer.image) return { values: own, rows: layer.rows, columns: layer.columns, place: (row, column) => `row ${row}, column ${column}` };
  const [h, w] = layer.image, across = Math.min(8, layer.columns), down = Math.min(4, Math.ceil(layer.columns / across));
  const out = new Int8Array(down * (h + 1) * across * (w + 1)), wide = across * (w + 1);
  for (let unit = 0; unit < Math.min(layer.columns, across * down); unit++) {
    const top = Math.floor(unit / across) * (h + 1), left = (unit % across) * (w + 1);
    for (let p = 0; p < h * w; p++) out[(top + Math.floor(p / w)) * wide + left + (p % w)] = own[p * layer.columns + unit];
  }
  const place = (row, column) => `unit ${Math.floor(row / (h + 1)) * across + Math.floor(column / (w + 1))}, pixel ${row % (h + 1)}, ${column % (w + 1)}`;
  return { values: out, rows: down * (h + 1), columns: wide, place };
}

// What a pixel stands for: a number in units of weights, or an action.
function meaning(layer, value, at) {
  const largest = layer.largest[layer.raster ? 0 : at], number = (value / 127) * largest;
  return layer.actions ? layer.actions[Math.round(number + largest)] : short(number);
}

// Arrays in time: a slider over moments, and a choice of what is shown. `key` tells the cards of a page apart.
function picturesCard(key, title, text, moment, steps, layers) {
  const last = steps.length - 1, label = element("p", { id: `${key}-moment` }), images = element("div", { class: "images" });
  const kinds = [...new Set(layers.map((layer) => layer.kind))];
  if (!kinds.includes(state.kind[key])) state.kind[key] = kinds[0];
  const draw = () => {
    const at = Math.min(state.at[key] ?? last, last);
    label.textContent = `${moment} ${steps[at].toLocaleString("en")}`;
    images.replaceChildren(...layers.filter((layer) => layer.kind === state.kind[key]).map((layer) => {
      const canvas = element("canvas", { "data-layer": layer.name }), shown = tiles(layer, at), { values, rows, columns } = shown;
      paint(canvas, shown);
      canvas.style.width = `${Math.min(columns * Math.max(1, Math.min(10, Math.floor(420 / columns))), 420)}px`;
      const size = layer.image ? "images of the first units" : layer.raster ? `${layer.rows}, a column for every round` : `${layer.rows} × ${layer.columns}`;
      const said = layer.actions ? "" : `; largest ${short(layer.largest[layer.raster ? 0 : at])}`, read = element("span");
      canvas.addEventListener("pointermove", (event) => {
        const row = Math.floor((event.offsetY / canvas.clientHeight) * rows), column = Math.floor((event.offsetX / canvas.clientWidth) * columns);
        const value = values[row * columns + column];
        read.textContent = value === undefined ? "" : ` · ${shown.place(row, column)}: ${meaning(layer, value, at)}`;
      });
      canvas.addEventListener("pointerleave", () => { read.textContent = ""; });
      return element("figure", {}, canvas, element("figcaption", {}, `${layer.name}, ${size}${said}`, read));
    }));
  };
  const slider = element("input", { type: "range", id: `${key}-time`, min: 0, max: last, value: state.at[key] ?? last, "aria-label": "time",
    oninput: (event) => { if (+event.target.value === last) delete state.at[key]; else state.at[key] = +event.target.value; draw(); } });
  const option = (kind) => element("option", { value: kind, ...(kind === state.kind[key] ? { selected: "" } : {}) }, kind);
  const choice = element("select", { id: `${key}-kind`, "aria-label": "what is shown", onchange: (event) => { state.kind[key] = event.target.value; draw(); } }, ...kinds.map(option));
  card(title, text, ...(kinds.length > 1 ? [element("p", {}, choice)] : []), label, slider, images).classList.add("wide");
  draw();
}

const AGENTS = "Blue is negative or down, white is zero or leave, orange is positive or up; each picture of numbers on a scale of its own.";
const LIFE = "What the network does and keeps while it learns within one life. Blue is negative, white is zero, orange is positive, each picture on one scale for the whole life.";

function policyCard(run) {
  if (!run.policy) return;
  const rows = run.policy.rows.map((row) => {
    const bar = element("span", { class: "bar" });
    bar.style.width = `${Math.round(80 * row.visited / run.policy.most)}px`;
    return [row.name, ...row.values, row.visited, bar];
  });
  card("What does the policy do after a bad round?", run.policy.verdict,
    table(["what an agent saw", ...run.policy.actions, "visited, % of agents", ""], rows));
}

// The sentences of the cards that most people look for, each with the way there.
function summaryCard() {
  const there = ASKED_FIRST.map((title) => [title, document.getElementById(place(title))]).filter(([, made]) => made);
  const lines = there.map(([title, made]) => element("p", {}, element("a", { href: `#${place(title)}` }, title), " ", made.querySelector(".verdict").textContent));
  if (!lines.length) return;
  const made = card("In short", "", ...lines);
  made.classList.add("wide");
  cards.prepend(made);
}

function show() {
  cards.replaceChildren();
  const run = DATA.runs[state.run];
  document.getElementById("status").textContent = `${run.name}: ${run.status}`;
  for (const panel of DATA.panels) {
    const lines = panel.lines.map((line) => ({ ...line, label: line.label }));
    chartCard(panel.title, panel.verdicts[state.run], lines, panel.x, panel.y);
  }
  if (run.layers.length) picturesCard("agents", "What do the agents look like?", AGENTS, "After step", run.steps, run.layers);
  if (run.life && run.life.layers.length) picturesCard("life", "What happens in one life?", LIFE, "After round", run.life.steps, run.life.layers);
  for (const panel of run.life ? run.life.panels : []) chartCard(panel.title, panel.verdict, panel.lines, panel.x, panel.y);
  if (run.change) card("Which layer changes most?", run.change.verdict, table(run.change.head, run.change.rows));
  policyCard(run);
  for (const panel of run.panels) chartCard(panel.title, panel.verdict, panel.lines, panel.x, panel.y);
  if (run.numbers.length) card("What came of it?", "", table(["number", "value"], run.numbers));
  card("What was run?", "", element("p", {}, element("code", {}, run.command)), table(["setting", "value"], run.settings));
  if (DATA.runs.length > 1) {
    const box = (what) => element("input", { type: "checkbox", "data-hides": what, onchange: (event) => hide(what, !event.target.checked), ...(state.hidden.has(what) ? {} : { checked: "" }) });
    const rows = DATA.comparison.rows.map(([name, ...rest], i) => [element("label", {}, box(`run ${i}`), ` ${name}`), ...rest]);
    card("How do the runs compare?", "A run without its mark is not drawn in the curves that runs share.", table(DATA.comparison.head, rows)).classList.add("wide");
  }
  summaryCard();
}

function choose() {
  const choice = document.getElementById("choice");
  if (DATA.runs.length > 1) {
    const options = DATA.runs.map((run, i) => element("option", { value: i }, run.name));
    choice.append(element("label", { for: "run" }, "Run: "), element("select", { id: "run", onchange: (event) => { Object.assign(state, { run: +event.target.value, at: {}, plots: {} }); show(); } }, ...options));
  }
  choice.append(element("span", { id: "status" }));
}

choose();
show();
let width = window.innerWidth;
window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; show(); } });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
