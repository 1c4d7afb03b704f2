// Formulas with the values put in. `s` is the step, `r` the row. Stages come from outside first (the inputs), then
// there is one for the output of each layer; a layer is named by its place on the page.
const outside = page.outside;
const stageOf = (place) => outside + place;
const layerOf = (stage) => (stage < outside ? null : page.layers[stage - outside]);
const lastStage = outside + page.layers.length - 1;
const input = (s, r, stage, unit) => (stage < outside ? at(`x/${stage}`, s, r, unit) : at(`a/${stage - outside}`, s, r, unit));
const shownUnits = (stage) => page.names[stage].length;
const hiddenUnits = (stage) => page.sizes[stage] - shownUnits(stage);
const unitName = (stage, unit) => (stage < outside ? page.names[stage][unit] : `${page.stages[stage]}[${page.names[stage][unit]}]`);
const source = (place) => page.layers[place].sources[0];

// [stage, unit] of everything that a unit of a layer that is not dense is made of, as far as it is shown.
function partsOf(place, unit) {
  const layer = page.layers[place];
  if (!layer.offsets) return layer.sources.flatMap((stage) => count(shownUnits(stage)).map((i) => [stage, i]));
  const number = page.units[stageOf(place)][unit];
  return layer.sources.flatMap((stage, slot) => {
    const i = page.units[stage].indexOf(number - layer.offsets[slot]);
    return i < 0 ? [] : [[stage, i]];
  });
}

function sum(terms, hidden, what) {
  const rest = hidden > 0 ? ` + … (${hidden} more ${what})` : "";
  return terms.join(" + ") + rest;
}

function count(total) {
  return Array.from({ length: total }, (_, place) => place);
}

function forwardLines(s, r, stage, unit) {
  if (stage < outside) return [{ name: "x", text: `${page.names[stage][unit]} of this row`, value: at(`x/${stage}`, s, r, unit) }];
  const place = stage - outside;
  const layer = page.layers[place];
  const a = at(`a/${place}`, s, r, unit);
  if (!layer.dense) {
    const taken = partsOf(place, unit).map(([from, i]) => `${unitName(from, i)} = ${short(input(s, r, from, i))}`);
    return [{ name: "a", text: `${layer.text} of ${layer.offsets ? taken.join(", ") : "what comes in"}`, value: a }];
  }
  const terms = count(shownUnits(source(place))).map(
    (i) => `${signed(input(s, r, source(place), i))}·${signed(at(`kernel/${place}`, s, i, unit))}`,
  );
  const bias = has(`bias/${place}`) ? ` + ${signed(at(`bias/${place}`, s, unit))}` : "";
  const z = at(`z/${place}`, s, r, unit);
  const summed = sum(terms, hiddenUnits(source(place)), "inputs") + bias;
  return [
    { name: "z", text: `Σ x·w${bias ? " + b" : ""} = ${summed}`, value: z },
    { name: "a", text: layer.elementwise ? `${layer.activation}(z) = ${layer.activation}(${short(z)})` : `${layer.activation} of all z`, value: a },
  ];
}

function startText(s, r, place, unit) {
  const { numerator, count, output, text } = page.layers[place].loss;
  if (numerator === null) return `the derivative of ${text}`;
  const factor = numerator === 1 ? "" : `${numerator}·`;
  const a = at(`a/${place}`, s, r, unit);
  return `${factor}(a − y) / ${count} = ${factor}(${short(a)} − ${signed(at(`y/${output}`, r, unit))}) / ${count}`;
}

// dL/da: from the loss, if it begins here, and from every layer that takes this unit.
function upstreamText(s, r, stage, unit) {
  const place = stage - outside;
  const parts = stage >= outside && page.layers[place].loss && !page.layers[place].from_logits ? [startText(s, r, place, unit)] : [];
  page.layers.forEach((taker, k) => {
    if (!taker.sources.includes(stage)) return;
    if (!taker.dense) { parts.push(`what ${taker.name} hands back`); return; }
    const terms = count(shownUnits(stageOf(k))).map(
      (j) => `${signed(at(`delta/${k}`, s, r, j))}·${signed(at(`kernel/${k}`, s, unit, j))}`,
    );
    parts.push(`Σ δ·w = ${sum(terms, hiddenUnits(stageOf(k)), "units")}`);
  });
  return parts.join(" + ");
}

function backwardLines(s, r, stage, unit) {
  const place = stage - outside;
  if (stage < outside) return [{ name: "dL/dx", text: upstreamText(s, r, stage, unit), value: at(`dx/${stage}`, s, r, unit) }];
  const layer = page.layers[place];
  const lines = [];
  if (has(`upstream/${place}`)) {
    lines.push({ name: "dL/da", text: upstreamText(s, r, stage, unit), value: at(`upstream/${place}`, s, r, unit) });
  }
  if (!has(`delta/${place}`)) return lines;
  const delta = at(`delta/${place}`, s, r, unit);
  if (layer.from_logits && layer.loss) {
    lines.push({ name: "δ", text: `dL/dz = ${startText(s, r, place, unit)}`, value: delta });
  } else if (has(`slope/${place}`) && has(`upstream/${place}`)) {
    const up = at(`upstream/${place}`, s, r, unit);
    const slope = at(`slope/${place}`, s, r, unit);
    lines.push({ name: "f′(z)", text: `the slope of ${layer.activation} at z`, value: slope });
    lines.push({ name: "δ", text: `dL/da · f′(z) = ${signed(up)}·${signed(slope)}`, value: delta });
  } else if (!has(`upstream/${place}`)) {
    lines.push({ name: "δ", text: "nothing flows back here, as no loss depends on it", value: delta });
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
  const a = input(s, r, source(place), i);
  const lines = [
    { name: "w", text: `from ${unitName(source(place), i)} to ${unitName(stageOf(place), j)}`, value: old },
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
