// The loss curve, and the surface with the paths. Both are laid out for the width they have.
const series = Object.keys(page.losses);
const MARKS = ["circle", "square", "triangle", "diamond"];
const CONTOURS = 12;

function mark(x, y, which, size = 5.5) {
  const kind = MARKS[which % MARKS.length];
  const attributes = { class: `mark series-${which}` };
  if (kind === "circle") return element("circle", { ...attributes, cx: x, cy: y, r: size });
  const corners = { square: [[-1, -1], [1, -1], [1, 1], [-1, 1]], triangle: [[0, -1.25], [1.2, 1], [-1.2, 1]], diamond: [[0, -1.4], [1.4, 0], [0, 1.4], [-1.4, 0]] }[kind];
  return element("polygon", { ...attributes, points: corners.map(([dx, dy]) => `${x + dx * size},${y + dy * size}`).join(" ") });
}

// A checkbox for each optimizer, and a row of the table of optimizers.
function buildPaths(state, changed) {
  series.forEach((name, which) => {
    const box = element("input", { type: "checkbox", "data-path": name });
    box.checked = true;
    box.addEventListener("change", () => {
      if (box.checked) state.hidden.delete(name);
      else state.hidden.add(name);
      changed();
    });
    const swatch = element("svg", { class: "swatch", viewBox: "0 0 40 12", "aria-hidden": "true" }, element("path", { class: `path series-${which}`, d: "M0,6 H40" }), mark(20, 6, which, 4.5));
    byId("paths").append(element("label", {}, box, swatch, name === page.own ? `${name} (the run above)` : name));
  });
  byId("optimizers").append(element("tr", {}, ...["", "settings", "first loss", "last loss"].map((name) => element("th", { scope: "col" }, name))));
  for (const name of series) {
    const losses = unpack(page.losses[name]);
    byId("optimizers").append(element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, element("code", {}, page.optimizers[name])), element("td", {}, long(losses[0])), element("td", {}, long(losses[losses.length - 1]))));
  }
  const curve = byId("curve");
  const read = (event) => {
    const box = curve.getBoundingClientRect();
    const frame = curveFrame();
    state.read = Math.round(Math.min(1, Math.max(0, (event.clientX - box.left - frame.left) / (frame.right - frame.left))) * frame.last);
    showCurve(state);
  };
  curve.addEventListener("pointermove", read);
  curve.addEventListener("pointerdown", read);
  curve.addEventListener("pointerleave", () => { state.read = null; showCurve(state); });
  curve.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    state.read = Math.min(curveFrame().last, Math.max(0, (state.read ?? page.steps[state.step]) + by));
    showCurve(state);
    event.preventDefault();
  });
  const surface = byId("surface-paths");
  surface.addEventListener("pointermove", (event) => readSurface(state, event));
  surface.addEventListener("pointerleave", () => showReading(state));
}

function curveFrame() {
  const width = Math.max(160, byId("curve").parentElement.clientWidth);
  const height = Math.min(320, Math.max(200, width * 0.4));
  return { width, height, left: 62, right: width - 16, top: 12, bottom: height - 38, last: unpack(page.losses[series[0]]).length - 1 };
}

function ticks(low, high, most) {
  const step = 10 ** Math.floor(Math.log10((high - low) / most));
  const stride = [1, 2, 5, 10].map((factor) => factor * step).find((each) => (high - low) / each <= most);
  const first = Math.ceil(low / stride);
  return count(Math.floor(high / stride) - first + 1).map((each) => (first + each) * stride);
}

function showCurve(state) {
  const frame = curveFrame();
  const shown = series.filter((name) => !state.hidden.has(name));
  const values = shown.flatMap((name) => [...unpack(page.losses[name])]).filter(Number.isFinite);
  const [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
  const margin = (high - low) * 0.06 || Math.abs(low) * 0.05 || 0.5;
  const x = (step) => frame.left + ((frame.right - frame.left) * step) / Math.max(frame.last, 1);
  const y = (loss) => frame.bottom - ((frame.bottom - frame.top) * (loss - low + margin)) / (high - low + 2 * margin);
  const curve = byId("curve");
  curve.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
  curve.replaceChildren();
  for (const value of ticks(low - margin, high + margin, 5)) {
    curve.append(element("line", { class: "grid", x1: frame.left, x2: frame.right, y1: y(value), y2: y(value) }));
    curve.append(element("text", { x: frame.left - 7, y: y(value) + 4, "text-anchor": "end" }, short(Number(value.toPrecision(6)))));
  }
  for (const step of [...new Set([0, Math.round(frame.last / 2), frame.last])]) {
    curve.append(element("text", { x: x(step), y: frame.bottom + 17, "text-anchor": "middle" }, String(step)));
  }
  curve.append(element("text", { x: (frame.left + frame.right) / 2, y: frame.height - 4, "text-anchor": "middle" }, "updates made"));
  const cursor = state.read ?? page.steps[state.step];
  curve.append(element("line", { class: "cursor", x1: x(cursor), x2: x(cursor), y1: frame.top, y2: frame.bottom }));
  const said = [];
  for (const name of shown) {
    const losses = unpack(page.losses[name]);
    const which = series.indexOf(name);
    curve.append(element("path", { class: `path series-${which}`, d: polyline([...losses].map((loss, step) => [x(step), y(loss)])) }));
    if (Number.isFinite(losses[cursor])) curve.append(mark(x(cursor), y(losses[cursor]), which));
    said.push(`${name} ${long(losses[cursor])}`);
  }
  const reading = `After ${cursor} update${cursor === 1 ? "" : "s"}: ${said.join(", ") || "nothing chosen"}`;
  curve.setAttribute("aria-label", `Loss over the updates. ${reading}. Left and right arrow move the reading.`);
  byId("curve-reading").textContent = reading;
}

// A line through the points that are finite, broken where they are not.
function polyline(points) {
  let pen = "M";
  return points.map(([x, y]) => {
    if (!Number.isFinite(x) || !Number.isFinite(y)) { pen = "M"; return ""; }
    const part = `${pen}${x.toFixed(1)},${y.toFixed(1)}`;
    pen = "L";
    return part;
  }).join("");
}

function surfaceFrame(plane) {
  const [u, v] = [unpack(plane.u), unpack(plane.v)];
  const width = Math.max(160, byId("surface-paths").parentElement.clientWidth);
  const [left, top, right, foot] = [58, 8, 12, 42];
  const side = Math.min(width - left - right, 520);
  const low = [u[0], v[0]];
  const high = [u[u.length - 1], v[v.length - 1]];
  return {
    width, height: side * 0.8 + top + foot, left, top, side, tall: side * 0.8, u, v, low, high,
    x: (value) => left + (side * (value - low[0])) / (high[0] - low[0]),
    y: (value) => top + side * 0.8 * (1 - (value - low[1]) / (high[1] - low[1])),
  };
}

function rgb(name) {
  const probe = element("span", { style: `color: var(--${name})` });
  document.body.append(probe);
  const found = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  probe.remove();
  return found;
}

// How high a loss stands between the least and the largest, by logarithm where all are above zero.
function heights(losses) {
  const finite = [...losses].filter(Number.isFinite);
  const least = Math.min(...finite);
  const scale = least > 0 ? Math.log : (value) => value;
  const [low, high] = [scale(least), scale(Math.max(...finite))];
  return { of: (loss) => (high > low ? (scale(loss) - low) / (high - low) : 0), low, high };
}

function paintSurface(plane, frame) {
  const canvas = byId("surface");
  const losses = unpack(plane.losses);
  const height = heights(losses);
  const [paper, blue] = [rgb("paper"), rgb("blue")];
  const small = element("canvas", { width: frame.u.length, height: frame.v.length });
  const image = small.getContext("2d").createImageData(frame.u.length, frame.v.length);
  losses.forEach((loss, k) => {
    const share = Number.isFinite(loss) ? 0.08 + 0.8 * height.of(loss) : 1;
    const row = frame.v.length - 1 - Math.floor(k / frame.u.length);
    const pixel = 4 * (row * frame.u.length + (k % frame.u.length));
    for (const channel of [0, 1, 2]) image.data[pixel + channel] = paper[channel] + share * (blue[channel] - paper[channel]);
    image.data[pixel + 3] = 255;
  });
  small.getContext("2d").putImageData(image, 0, 0);
  [canvas.width, canvas.height] = [Math.round(frame.side * 2), Math.round(frame.tall * 2)];
  Object.assign(canvas.style, { left: `${frame.left}px`, top: `${frame.top}px`, width: `${frame.side}px`, height: `${frame.tall}px` });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

// Marching squares: the line on which the surface has one height.
function contour(plane, frame, height, level) {
  const losses = unpack(plane.losses);
  const n = frame.u.length;
  const parts = [];
  for (let row = 0; row + 1 < frame.v.length; row += 1) {
    for (let column = 0; column + 1 < n; column += 1) {
      const corners = [[column, row], [column + 1, row], [column + 1, row + 1], [column, row + 1]];
      const values = corners.map(([i, j]) => height.of(losses[j * n + i]) - level);
      const points = [];
      for (const side of [0, 1, 2, 3]) {
        const [a, b] = [values[side], values[(side + 1) % 4]];
        if (!(a < 0 !== b < 0)) continue;
        const share = a / (a - b);
        const [from, to] = [corners[side], corners[(side + 1) % 4]];
        const [i, j] = [0, 1].map((axis) => from[axis] + share * (to[axis] - from[axis]));
        points.push([frame.left + ((i + 0.5) * frame.side) / n, frame.top + frame.tall * (1 - (j + 0.5) / frame.v.length)]);
      }
      for (let k = 0; k + 1 < points.length; k += 2) parts.push(polyline([points[k], points[k + 1]]));
    }
  }
  return element("path", { class: "contour", d: parts.join("") });
}

function showSurface(state) {
  const plane = page.planes[state.plane];
  const frame = surfaceFrame(plane);
  const svg = byId("surface-paths");
  paintSurface(plane, frame);
  svg.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
  svg.replaceChildren();
  const height = heights(unpack(plane.losses));
  for (const k of count(CONTOURS - 1)) svg.append(contour(plane, frame, height, (k + 1) / CONTOURS));
  surfaceAxes(svg, plane, frame);
  const clip = element("g", {});
  svg.append(clip);
  series.forEach((name, which) => {
    if (state.hidden.has(name)) return;
    const path = unpack(plane.paths[name]);
    const points = count(path.length / 2).map((k) => [frame.x(path[2 * k]), frame.y(path[2 * k + 1])]);
    const drawn = polyline(points.map(([x, y]) => (inside(frame, x, y) ? [x, y] : [NaN, NaN])));
    clip.append(element("path", { class: "halo", d: drawn }), element("path", { class: `path series-${which}`, d: drawn, "data-path": name }));
    const here = points[page.steps[state.step]];
    if (inside(frame, ...here)) clip.append(mark(...here, which, 6.5));
  });
  svg.setAttribute("aria-label", `${plane.title}: the loss as shades, stronger is higher, and the paths of ${series.join(", ")}`);
  showReading(state);
}

const inside = (frame, x, y) => x >= frame.left && x <= frame.left + frame.side && y >= frame.top && y <= frame.top + frame.tall;

function surfaceAxes(svg, plane, frame) {
  const foot = frame.top + frame.tall;
  for (const value of ticks(frame.low[0], frame.high[0], 5)) svg.append(element("text", { x: frame.x(value), y: foot + 16, "text-anchor": "middle" }, short(Number(value.toPrecision(6)))));
  for (const value of ticks(frame.low[1], frame.high[1], 5)) svg.append(element("text", { x: frame.left - 6, y: frame.y(value) + 4, "text-anchor": "end" }, short(Number(value.toPrecision(6)))));
  svg.append(element("text", { x: frame.left + frame.side / 2, y: foot + 35, "text-anchor": "middle" }, plane.axes[0]));
  svg.append(element("text", { transform: `translate(12 ${frame.top + frame.tall / 2}) rotate(-90)`, "text-anchor": "middle" }, plane.axes[1]));
}

function showReading(state) {
  const plane = page.planes[state.plane];
  const step = page.steps[state.step];
  const places = series.filter((name) => !state.hidden.has(name)).map((name) => {
    const path = unpack(plane.paths[name]);
    return `${name} at (${short(path[2 * step])}, ${short(path[2 * step + 1])})`;
  });
  const finite = [...unpack(plane.losses)].filter(Number.isFinite);
  const share = `${(100 * plane.kept).toPrecision(3)} % of the paths' spread lies in this plane, the rest is projected onto it.`;
  byId("surface-reading").textContent = `After ${step} updates: ${places.join(", ") || "nothing chosen"}. Losses from ${short(Math.min(...finite))} (faint) to ${short(Math.max(...finite))} (strong). ${share}`;
}

function readSurface(state, event) {
  const plane = page.planes[state.plane];
  const frame = surfaceFrame(plane);
  const box = byId("surface-paths").getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  if (!inside(frame, x, y)) return showReading(state);
  const i = Math.min(frame.u.length - 1, Math.floor((frame.u.length * (x - frame.left)) / frame.side));
  const j = Math.min(frame.v.length - 1, Math.floor(frame.v.length * (1 - (y - frame.top) / frame.tall)));
  byId("surface-reading").textContent = `At (${short(frame.u[i])}, ${short(frame.v[j])}) the loss is ${long(unpack(plane.losses)[j * frame.u.length + i])}.`;
}

function showPlots(state) {
  state.read = null;
  showCurve(state);
  if (page.planes.length) showSurface(state);
}
