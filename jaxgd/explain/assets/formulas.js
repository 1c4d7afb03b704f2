// Formulas with the values put in. `s` is the step, `r` the row; a layer is named by its place on the page,
// and stage k + 1 holds the outputs of layer k, stage 0 the inputs.
const input = (s, r, stage, unit) => (stage === 0 ? at("x", s, r, unit) : at(`a/${stage - 1}`, s, r, unit));
const shownUnits = (stage) => page.names[stage].length;
const hiddenUnits = (stage) => page.sizes[stage] - shownUnits(stage);
const unitName = (stage, unit) =>
  stage === 0 ? page.names[0][unit] : `${page.layers[stage - 1].name}[${page.names[stage][unit]}]`;

function sum(terms, hidden, what) {
  const rest = hidden > 0 ? ` + … (${hidden} more ${what})` : "";
  return terms.join(" + ") + rest;
}

function count(total) {
  return Array.from({ length: total }, (_, place) => place);
}

function forwardLines(s, r, stage, unit) {
  if (stage === 0) return [{ name: "x", text: `${page.names[0][unit]} of this row`, value: at("x", s, r, unit) }];
  const place = stage - 1;
  const layer = page.layers[place];
  const a = at(`a/${place}`, s, r, unit);
  if (!layer.dense) return [{ name: "a", text: `${layer.text} of what comes in`, value: a }];
  const terms = count(shownUnits(place)).map(
    (i) => `${signed(input(s, r, place, i))}·${signed(at(`kernel/${place}`, s, i, unit))}`,
  );
  const bias = has(`bias/${place}`) ? ` + ${signed(at(`bias/${place}`, s, unit))}` : "";
  const z = at(`z/${place}`, s, r, unit);
  const summed = sum(terms, hiddenUnits(place), "inputs") + bias;
  return [
    { name: "z", text: `Σ x·w${bias ? " + b" : ""} = ${summed}`, value: z },
    { name: "a", text: layer.elementwise ? `${layer.activation}(z) = ${layer.activation}(${short(z)})` : `${layer.activation} of all z`, value: a },
  ];
}

function startText(s, r, place, unit) {
  const { numerator, count } = page.loss_rule;
  if (numerator === null) return `the derivative of ${page.loss}`;
  const factor = numerator === 1 ? "" : `${numerator}·`;
  const a = at(`a/${place}`, s, r, unit);
  return `${factor}(a − y) / ${count} = ${factor}(${short(a)} − ${signed(at("y", r, unit))}) / ${count}`;
}

function upstreamText(s, r, stage, unit) {
  const place = stage - 1;
  if (place === page.layers.length - 1) return startText(s, r, place, unit);
  const next = page.layers[stage];
  if (!next.dense) return `what ${next.name} hands back`;
  const terms = count(shownUnits(stage + 1)).map(
    (k) => `${signed(at(`delta/${stage}`, s, r, k))}·${signed(at(`kernel/${stage}`, s, unit, k))}`,
  );
  return `Σ δ·w = ${sum(terms, hiddenUnits(stage + 1), "units")}`;
}

function backwardLines(s, r, stage, unit) {
  const place = stage - 1;
  if (stage === 0) return [{ name: "dL/dx", text: page.layers[0].dense ? "Σ δ·w" : "", value: at("downstream/0", s, r, unit) }];
  const layer = page.layers[place];
  const lines = [];
  if (has(`upstream/${place}`)) {
    lines.push({ name: "dL/da", text: upstreamText(s, r, stage, unit), value: at(`upstream/${place}`, s, r, unit) });
  }
  if (!has(`delta/${place}`)) return lines;
  const delta = at(`delta/${place}`, s, r, unit);
  if (layer.from_logits) {
    lines.push({ name: "δ", text: `dL/dz = ${startText(s, r, place, unit)}`, value: delta });
  } else if (has(`slope/${place}`)) {
    const up = at(`upstream/${place}`, s, r, unit);
    const slope = at(`slope/${place}`, s, r, unit);
    lines.push({ name: "f′(z)", text: `the slope of ${layer.activation} at z`, value: slope });
    lines.push({ name: "δ", text: `dL/da · f′(z) = ${signed(up)}·${signed(slope)}`, value: delta });
  } else {
    lines.push({ name: "δ", text: `dL/da through ${layer.activation}, which couples the units`, value: delta });
  }
  return lines;
}

function newText(old, gradient, fresh) {
  if (page.learning_rate !== null) return `w − η·dL/dw = ${short(old)} − ${page.learning_rate}·${signed(gradient)}`;
  return `w + ${page.rule}'s change = ${short(old)} + ${signed(fresh - old)}`;
}

function edgeLines(s, r, place, i, j, phase) {
  const old = at(`kernel/${place}`, s, i, j);
  const a = input(s, r, place, i);
  const lines = [
    { name: "w", text: `from ${unitName(place, i)} to ${unitName(place + 1, j)}`, value: old },
    { name: "w·x", text: `${signed(old)}·${signed(a)}`, value: old * a },
  ];
  if (phase === "forward") return lines;
  const delta = at(`delta/${place}`, s, r, j);
  const gradient = at(`gradient_of_kernel/${place}`, s, i, j);
  const more = page.layers[place].regularized ? ", and the regularizer's" : "";
  lines.push({ name: "dL/dw", text: `Σ over ${page.rows} row${page.rows > 1 ? "s" : ""} of x·δ${more}; this row's: ${signed(a)}·${signed(delta)} = ${short(a * delta)}`, value: gradient });
  if (phase !== "update") return lines;
  const fresh = at(`new_kernel/${place}`, s, i, j);
  lines.push({ name: "new w", text: newText(old, gradient, fresh), value: fresh });
  return lines;
}

function biasLines(s, place, unit, phase) {
  if (!has(`bias/${place}`)) return [];
  const old = at(`bias/${place}`, s, unit);
  if (phase === "forward") return [{ name: "b", text: "the bias", value: old }];
  const gradient = at(`gradient_of_bias/${place}`, s, unit);
  const lines = [{ name: "dL/db", text: `Σ over ${page.rows} row${page.rows > 1 ? "s" : ""} of δ`, value: gradient }];
  if (phase === "update") {
    const fresh = at(`new_bias/${place}`, s, unit);
    lines.push({ name: "new b", text: newText(old, gradient, fresh).replaceAll("w", "b"), value: fresh });
  }
  return lines;
}
