// What is being looked at, and what the controls do to it.
const state = { step: 0, row: 0, moment: 0, chosen: { unit: [outside, 0] }, picked: {}, hidden: new Set(), plane: 0, read: null };
const moments = makeMoments();

// forward: the last stage that is computed; backward: the first stage that has deltas; stage: where we are.
function makeMoments() {
  const [first, end] = [outside - 1, lastStage + 1];
  const before = { backward: end + 1 };
  const list = [{ ...before, phase: "forward", stage: first, forward: first, title: "The row", text: "The features of one row stand at the inputs" }];
  page.layers.forEach((layer, k) => {
    const text = layer.dense ? `z = Σ x·w + b, a = ${layer.activation}(z)` : layer.text;
    list.push({ ...before, phase: "forward", stage: stageOf(k), forward: stageOf(k), title: `Forward: ${layer.name}`, text });
  });
  list.push({ ...before, phase: "forward", stage: end, forward: end, title: "The loss", text: `${page.loss} of ${page.rows === 1 ? "the row" : `all ${page.rows} rows`}` });
  for (let k = page.layers.length - 1; k >= 0; k -= 1) {
    const layer = page.layers[k];
    const text = layer.dense ? "δ = dL/da · f′(z), then dL/dw = Σ x·δ and dL/db = Σ δ over the rows; the lines now show dL/dw" : `the chain rule through ${layer.text}`;
    list.push({ phase: "backward", stage: stageOf(k), forward: end, backward: stageOf(k), title: `Backward: ${layer.name}`, text });
  }
  list.push({ phase: "update", stage: end, forward: end, backward: 0, title: "Update", text: `${page.optimizer} changes every weight at once; the lines now show the changes` });
  return list;
}

function render() {
  const moment = moments[state.moment];
  const number = page.steps[state.step];
  byId("step").value = state.step;
  byId("step").setAttribute("aria-valuetext", `step ${number + 1}, loss ${short(at("loss", state.step))}`);
  byId("step-number").textContent = `${number + 1} of ${page.steps[page.steps.length - 1] + 1}`;
  const losses = moment.phase === "update" ? ` Loss ${long(at("loss", state.step))} → ${long(at("new_loss", state.step))}.` : moment.forward > lastStage ? ` Loss ${long(at("loss", state.step))}.` : "";
  byId("moment").replaceChildren(element("b", {}, `${state.moment + 1}/${moments.length} ${moment.title}`), `${moment.text}.${losses}`);
  byId("edge-meaning").textContent = `Thickness: ${{ forward: "the weight", backward: "the gradient where it is known, else the weight", update: "the change of the weight" }[moment.phase]}, within its layer.`;
  for (const phase of ["forward", "backward", "update"]) {
    if (moment.phase === phase) byId(phase).setAttribute("aria-current", "step");
    else byId(phase).removeAttribute("aria-current");
  }
  byId("back").disabled = state.moment === 0 && state.step === 0;
  byId("next").disabled = state.moment === moments.length - 1 && state.step === page.steps.length - 1;
  showNetwork(state, moment);
  showDetails(state, moment, choose);
  showPlots(state);
}

function choose(chosen) {
  state.chosen = chosen;
  if (chosen.unit) state.picked[chosen.unit[0]] = chosen.unit[1];
  showNetwork(state, moments[state.moment]);
  showDetails(state, moments[state.moment], choose);
}

// The panel goes along with the moment: to the unit of that stage that was looked at last.
function follow() {
  const { phase, stage } = moments[state.moment];
  const there = Math.min(stage, lastStage);
  const looked = state.chosen.unit ? state.chosen.unit[0] : stageOf(state.chosen.edge[0]);
  if (phase !== "update" && looked !== there) state.chosen = { unit: [there, state.picked[there] ?? 0] };
  render();
}

function walk(by) {
  const [first, last] = [0, moments.length - 1];
  if (by > 0 && state.moment < last) state.moment += 1;
  else if (by > 0 && state.step < page.steps.length - 1) [state.step, state.moment] = [state.step + 1, first];
  else if (by < 0 && state.moment > first) state.moment -= 1;
  else if (by < 0 && state.step > 0) [state.step, state.moment] = [state.step - 1, last];
  follow();
}

function lastOf(phase) {
  state.moment = moments.map((moment) => moment.phase).lastIndexOf(phase);
  follow();
}

function listen() {
  byId("next").addEventListener("click", () => walk(1));
  byId("back").addEventListener("click", () => walk(-1));
  for (const phase of ["forward", "backward", "update"]) byId(phase).addEventListener("click", () => lastOf(phase));
  byId("step").addEventListener("input", (event) => { state.step = Number(event.target.value); render(); });
  byId("row").addEventListener("change", (event) => { state.row = Number(event.target.value); render(); });
  byId("plane").addEventListener("change", (event) => { state.plane = Number(event.target.value); render(); });
  document.addEventListener("keydown", (event) => {
    const own = event.target.closest("input, select, #curve");
    if (own || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowRight") walk(1);
    else if (event.key === "ArrowLeft") walk(-1);
    else return;
    event.preventDefault();
  });
  window.addEventListener("resize", () => { buildNetwork(choose); render(); });
  document.addEventListener("themechange", render);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", render);
}

function start() {
  document.title = `Backpropagation: ${page.title}`;
  byId("subject").textContent = `${page.title}; loss ${page.loss}; ${page.optimizer}`;
  byId("notes").append(...page.notes.map((note) => element("p", { class: "notice" }, note)));
  byId("step").max = page.steps.length - 1;
  byId("row").append(...count(page.row_numbers.length).map((row) => element("option", { value: row }, String(page.row_numbers[row]))));
  byId("plane").append(...page.planes.map((plane, k) => element("option", { value: k }, plane.title)));
  byId("plane").closest(".controls").hidden = page.planes.length === 0;
  buildPaths(state, render);
  buildNetwork(choose);
  listen();
  render();
}

start();
