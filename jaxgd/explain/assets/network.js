// The graph: a column for each stage, the loss at the end; what was not computed yet is hollow.
const network = byId("network");
const BOX = { width: 54, height: 24, pitch: 46, top: 46, gap: 80, between: 0.9 };
let drawn = { units: [], edges: [], loss: null };

// Stages that stand equally far from the inputs share a column, one below the other.
const columnCount = Math.max(...page.columns) + 2;
const stagesIn = (column) => count(page.columns.length).filter((stage) => page.columns[stage] === column);
const rowsIn = (column) => stagesIn(column).reduce((sum, stage) => sum + shownUnits(stage) + BOX.between, -BOX.between);
const isStacked = count(columnCount - 1).some((column) => stagesIn(column).length > 1);

function place(stage, unit, width, height) {
  const column = stage > lastStage ? columnCount - 1 : page.columns[stage];
  const x = 34 + (column * (width - 68)) / (columnCount - 1);
  const above = stage > lastStage ? [] : stagesIn(column).filter((each) => each < stage);
  const row = unit + above.reduce((sum, each) => sum + shownUnits(each) + BOX.between, 0);
  const rows = stage > lastStage ? 1 : rowsIn(column);
  return { x, y: BOX.top + (height - BOX.top) / 2 + (row - (rows - 1) / 2) * BOX.pitch };
}

function buildNetwork(choose) {
  const stages = lastStage + 1;
  const width = Math.max(byId("network-frame").clientWidth, 68 + BOX.gap * (columnCount - 1));
  const height = BOX.top + Math.max(...count(columnCount - 1).map(rowsIn)) * BOX.pitch;
  network.setAttribute("viewBox", `0 0 ${width} ${height}`);
  network.setAttribute("width", width);
  network.setAttribute("height", height);
  network.replaceChildren();
  drawn = { units: [], edges: [], loss: null };
  page.layers.forEach((layer, k) => buildEdges(layer, k, width, height, choose));
  buildLossEdges(stages, width, height);
  for (const stage of count(stages)) buildStage(stage, width, height, choose);
  buildLoss(stages, width, height);
}

function buildEdges(layer, k, width, height, choose) {
  for (const j of count(shownUnits(stageOf(k)))) {
    const taken = layer.dense ? count(shownUnits(source(k))).map((i) => [source(k), i]) : partsOf(k, j);
    for (const [stage, i] of taken) {
      const edge = element("path", { d: wire(stage, i, k, j, width, height), "data-edge": `${k},${i},${j}` }, element("title"));
      network.append(edge);
      if (!layer.dense) {
        edge.setAttribute("class", "edge plain");
        continue;
      }
      edge.setAttribute("class", "edge");
      drawn.edges.push({ edge, k, i, j });
      edge.addEventListener("pointerenter", () => choose({ edge: [k, i, j] }));
      edge.addEventListener("click", () => choose({ edge: [k, i, j] }));
    }
  }
}

// Straight to the next column; a line that leaves columns out goes around what stands there.
function wire(stage, i, k, j, width, height) {
  const [from, to] = [place(stage, i, width, height), place(stageOf(k), j, width, height)];
  const [x1, x2] = [from.x + BOX.width / 2, to.x - BOX.width / 2];
  if (page.columns[stageOf(k)] - page.columns[stage] < 2) return `M${x1},${from.y} L${x2},${to.y}`;
  const bend = (x2 - x1) / 3;
  const lift = from.y + to.y < height + BOX.top ? -BOX.pitch : BOX.pitch;
  return `M${x1},${from.y} C${x1 + bend},${from.y + lift} ${x2 - bend},${to.y + lift} ${x2},${to.y}`;
}

function buildStage(stage, width, height, choose) {
  const head = place(stage, 0, width, height);
  const top = isStacked ? head.y - BOX.height / 2 - 22 : 16;
  network.append(element("text", { class: "caption", x: head.x, y: top }, page.stages[stage]));
  network.append(element("text", { class: "caption", x: head.x, y: top + (isStacked ? 14 : 16) }, layerOf(stage)?.activation || ""));
  for (const unit of count(shownUnits(stage))) {
    const { x, y } = place(stage, unit, width, height);
    const box = element("rect", { x: x - BOX.width / 2, y: y - BOX.height / 2, width: BOX.width, height: BOX.height, rx: 12 });
    const value = element("text", { x, y: y + 4, class: "number" });
    const delta = element("text", { x, y: y + BOX.height / 2 + 11, class: "delta" });
    const group = element("g", { class: "unit", tabindex: 0, role: "img", "data-unit": `${stage},${unit}` }, box, value, delta);
    group.addEventListener("pointerenter", () => choose({ unit: [stage, unit] }));
    group.addEventListener("focus", () => choose({ unit: [stage, unit] }));
    network.append(group);
    drawn.units.push({ group, box, value, delta, stage, unit });
  }
}

function buildLossEdges(stages, width, height) {
  const { x, y } = place(stages, 0, width, height);
  page.layers.forEach((layer, k) => {
    if (!layer.output) return;
    for (const unit of count(shownUnits(stageOf(k)))) {
      const from = place(stageOf(k), unit, width, height);
      network.append(element("path", { class: "edge plain", d: `M${from.x + BOX.width / 2},${from.y} L${x - BOX.width / 2},${y}` }));
    }
  });
}

function buildLoss(stages, width, height) {
  const { x, y } = place(stages, 0, width, height);
  network.append(element("text", { class: "caption", x, y: isStacked ? y - BOX.height / 2 - 8 : 16 }, "loss"));
  const box = element("rect", { x: x - BOX.width / 2, y: y - BOX.height / 2, width: BOX.width, height: BOX.height, rx: 3 });
  const value = element("text", { x, y: y + 4, class: "number" });
  const after = element("text", { x, y: y + BOX.height / 2 + 13, class: "delta" });
  const group = element("g", { class: "unit", id: "loss-unit", tabindex: 0, role: "img" }, box, value, after);
  network.append(group);
  drawn.loss = { group, box, value, after };
}

// Orange above zero, blue below, stronger the further from it.
function tint(value, largest) {
  const share = largest > 0 && Number.isFinite(value) ? Math.min(1, Math.abs(value) / largest) : 0;
  return `color-mix(in srgb, var(--${value < 0 ? "blue" : "orange"}) ${Math.round(46 * share)}%, var(--paper))`;
}

function largest(values) {
  return values.reduce((most, value) => Math.max(most, Number.isFinite(value) ? Math.abs(value) : 0), 0);
}

function showUnit(item, state, moment) {
  const { stage, unit } = item;
  const [s, r] = [state.step, state.row];
  const known = stage <= moment.forward;
  const values = count(shownUnits(stage)).map((each) => input(s, r, stage, each));
  const value = values[unit];
  item.value.textContent = known ? short(value) : "";
  item.box.style.fill = known ? tint(value, largest(values)) : "";
  const name = `delta/${stage - outside}`;
  const returned = stage >= outside && stage >= moment.backward && has(name);
  item.delta.textContent = returned ? `δ ${short(at(name, s, r, unit))}` : "";
  item.group.classList.toggle("pending", !known);
  item.group.classList.toggle("active", stage === moment.stage || (stage < outside && moment.stage < outside));
  item.group.classList.toggle("chosen", String(state.chosen.unit) === `${stage},${unit}`);
  const said = [unitName(stage, unit), known ? short(value) : "not computed yet", item.delta.textContent];
  item.group.setAttribute("aria-label", said.filter(Boolean).join(", "));
}

// What an edge stands for at this moment: the weight, its gradient, or its change.
function edgeValue(s, k, i, j, moment) {
  const old = at(`kernel/${k}`, s, i, j);
  if (moment.phase === "update") return at(`new_kernel/${k}`, s, i, j) - old;
  return stageOf(k) >= moment.backward ? at(`gradient_of_kernel/${k}`, s, i, j) : old;
}

function showEdges(state, moment) {
  const most = page.layers.map((layer, k) =>
    largest(drawn.edges.filter((item) => item.k === k).map(({ i, j }) => edgeValue(state.step, k, i, j, moment))),
  );
  for (const { edge, k, i, j } of drawn.edges) {
    const value = edgeValue(state.step, k, i, j, moment);
    const share = most[k] > 0 && Number.isFinite(value) ? Math.abs(value) / most[k] : 0;
    const chosen = String(state.chosen.edge) === `${k},${i},${j}`;
    edge.setAttribute("class", `edge ${value < 0 ? "negative" : "positive"}${chosen ? " chosen" : ""}`);
    edge.style.strokeWidth = chosen ? 5.5 : 0.7 + 3.6 * share;
    edge.style.strokeOpacity = chosen ? 1 : 0.25 + 0.6 * share;
    edge.firstChild.textContent = `${unitName(source(k), i)} to ${unitName(stageOf(k), j)}: ${short(value)}`;
  }
}

function showNetwork(state, moment) {
  for (const item of drawn.units) showUnit(item, state, moment);
  showEdges(state, moment);
  const { group, box, value, after } = drawn.loss;
  const known = moment.forward > lastStage;
  const loss = at("loss", state.step);
  value.textContent = known ? short(loss) : "";
  box.style.fill = known ? "var(--card)" : "";
  after.textContent = moment.phase === "update" ? `→ ${short(at("new_loss", state.step))}` : "";
  group.classList.toggle("pending", !known);
  group.classList.toggle("active", moment.stage === lastStage + 1);
  group.setAttribute("aria-label", `loss ${known ? short(loss) : "not computed yet"} ${after.textContent}`);
}
