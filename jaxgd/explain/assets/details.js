// The panel beside the network: a number, its formula, and the connections that lead to it.
const details = byId("details");

function line({ name, text, value }) {
  const result = element("span", { class: "value", "data-name": name, "data-value": value }, long(value));
  return element("p", { class: "formula" }, `${name} = ${text ? `${text} = ` : ""}`, result);
}

const phaseOf = (moment, k) => (moment.phase === "update" ? "update" : k + 1 >= moment.backward ? "backward" : "forward");

function unitPanel(state, moment, choose) {
  const [stage, unit] = state.chosen.unit;
  const [s, r] = [state.step, state.row];
  const parts = [element("h3", {}, unitName(stage, unit))];
  if (stage > moment.forward) parts.push(element("p", { class: "quiet" }, "Not computed yet at this moment."));
  else parts.push(...forwardLines(s, r, stage, unit).map(line));
  if (stage >= moment.backward) parts.push(...backwardLines(s, r, stage, unit).map(line));
  if (stage > 0 && page.layers[stage - 1].dense) {
    parts.push(...biasLines(s, stage - 1, unit, phaseOf(moment, stage - 1)).map(line));
    parts.push(connections(s, stage - 1, unit, phaseOf(moment, stage - 1), choose));
  }
  return parts;
}

function connections(s, k, j, phase, choose) {
  const head = element("tr", {}, ...["from", "w", ...(phase === "forward" ? [] : ["dL/dw"]), ...(phase === "update" ? ["new w"] : [])].map((name) => element("th", { scope: "col" }, name)));
  const rows = count(shownUnits(k)).map((i) => {
    const button = element("button", { type: "button" }, unitName(k, i));
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
  const back = element("button", { type: "button" }, `All of ${unitName(k + 1, j)}`);
  back.addEventListener("click", () => choose({ unit: [k + 1, j] }));
  return [
    element("h3", {}, `${unitName(k, i)} → ${unitName(k + 1, j)}`),
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
