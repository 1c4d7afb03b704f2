// The page's numbers: arrays by name, decoded when they are first asked for.
const page = JSON.parse(document.getElementById("data").textContent);
const unpacked = new Map();

function unpack(packed) {
  if (!unpacked.has(packed)) {
    const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
    const values = packed.dtype === "float64" ? new Float64Array(bytes.buffer) : new Float32Array(bytes.buffer);
    unpacked.set(packed, values);
  }
  return unpacked.get(packed);
}

// The number at a place of an array; the array's first axis is the step.
function at(name, ...place) {
  const packed = page.arrays[name];
  const offset = packed.shape.reduce((sum, size, axis) => sum * size + place[axis], 0);
  return unpack(packed)[offset];
}

const has = (name) => name in page.arrays;

function written(value, digits) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 1e-3 && size < 1e5 ? String(Number(value.toPrecision(digits))) : value.toExponential(digits - 1);
  return text.replace("-", "−").replace("e-", "e−").replace("e+", "e");
}

const short = (value) => written(value, 3);
const long = (value) => written(value, 7);
const signed = (value) => (value < 0 ? `(${short(value)})` : short(value));

function element(name, attributes = {}, ...children) {
  const svg = ["svg", "g", "rect", "text", "path", "line", "circle", "polygon", "title"].includes(name);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const byId = (id) => document.getElementById(id);
