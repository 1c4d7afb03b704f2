// The panel beside the network: a number, its formula, and the connections that lead to it.
const details = byId("details");

function line({ name, text, value }) {
  const result = element("span", { class: "value", "data-name": name, "data-value": value }, long(value));
  return element("p", { class: "formula" }, `${name} = ${text ? `${text} = ` : ""}`, result);
}

const phaseOf = (moment, k) => (moment.phase === "update" ? "update" : stageOf(k) >= moment.backward ? "backward" : "forward");

function unitPanel(state, moment, choose) {
  const [stage, unit] = state.chosen.unit;
  const [s, r] = [state.step, state.row];
  const parts = [element("h3", {}, unitName(stage, unit))];
  if (stage > moment.forward) parts.push(element("p", { class: "quiet" }, "Not computed yet at this moment."));
  else parts.push(...forwardLines(s, r, stage, unit).map(line));
  if (stage >= moment.backward) parts.push(...backwardLines(s, r, stage, unit).map(line));
  if (layerOf(stage)?.dense) {
    const place = stage - outside;
    parts.push(...biasLines(s, place, unit, phaseOf(moment, place)).map(line));
    parts.push(connections(s, place, unit, phaseOf(moment, place), choose));
  }
  return parts;
}

function connections(s, k, j, phase, choose) {
  const head = element("tr", {}, ...["from", "w", ...(phase === "forward" ? [] : ["dL/dw"]), ...(phase === "update" ? ["new w"] : [])].map((name) => element("th", { scope: "col" }, name)));
  const rows = count(shownUnits(source(k))).map((i) => {
    const button = element("button", { type: "button" }, unitName(source(k), i));
    button.addEventListener("click", () => choose({ edge: [k, i, j] }));
    const cells = [at(`kernel/${k}`, s, i, j)];
    if (phase !== "forward") cells.push(at(`gradient_of_kernel/${k}`, s, i, j));
    if (phase === "update") cells.push(at(`new_kernel/${k}`, s, i, j));
    return element("tr", {}, element("td", {}, button), ...cells.map((value) => element("td", {}, written(value, 4))));
  });
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
}

function edgePanel(state, moment, choose) {
  const [k, i, j] = state.chosen.edge;
  const back = element("button", { type: "button" }, `All of ${unitName(stageOf(k), j)}`);
  back.addEventListener("click", () => choose({ unit: [stageOf(k), j] }));
  return [
    element("h3", {}, `${unitName(source(k), i)} → ${unitName(stageOf(k), j)}`),
    ...edgeLines(state.step, state.row, k, i, j, phaseOf(moment, k)).map(line),
    back,
  ];
}

function showDetails(state, moment, choose) {
  const kept = details.contains(document.activeElement);
  details.replaceChildren(...(state.chosen.edge ? edgePanel(state, moment, choose) : unitPanel(state, moment, choose)));
  if (kept) {
    details.tabIndex = -1;
    details.focus();
  }
}
