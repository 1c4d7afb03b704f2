"use strict";
(() => {
  // Reads the curves' values where the pointer is, or where the arrow keys moved to.
  const [left, right, width] = [58, 12, 420];
  const panels = JSON.parse(document.getElementById("data").textContent).panels;

  function written(value) {
    return value === null ? "not finite" : Number(value.toPrecision(6)).toString().replace("-", "−");
  }

  function read(panel, svg, reading, epoch) {
    const span = extent(panel);
    const share = span[1] > span[0] ? (epoch - span[0]) / (span[1] - span[0]) : 0.5;
    const x = left + share * (width - left - right);
    const cursor = svg.querySelector(".cursor");
    cursor.removeAttribute("hidden");
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    const there = panel.curves.filter(({ epochs }) => epoch >= epochs[0] && epoch <= epochs[epochs.length - 1]);
    const parts = there.map(({ label, epochs, values }) => `${label} ${written(values[nearest(epochs, epoch)])}`);
    reading.textContent = `Epoch ${epoch}: ${parts.join(", ")}`;
  }

  function extent(panel) {
    const epochs = panel.curves.flatMap((curve) => [curve.epochs[0], curve.epochs[curve.epochs.length - 1]]);
    return [Math.min(...epochs), Math.max(...epochs)];
  }

  function nearest(epochs, epoch) {
    return epochs.reduce((best, each, place) => (Math.abs(each - epoch) < Math.abs(epochs[best] - epoch) ? place : best), 0);
  }

  for (const reading of document.querySelectorAll(".reading")) {
    const panel = panels[Number(reading.dataset.panel)];
    const svg = reading.parentElement.querySelector("svg");
    const [first, last] = extent(panel);
    let epoch = null;
    const at = (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) * width) / box.width;
      const share = Math.min(1, Math.max(0, (x - left) / (width - left - right)));
      epoch = Math.round(first + share * (last - first));
      read(panel, svg, reading, epoch);
    };
    svg.addEventListener("pointermove", at);
    svg.addEventListener("pointerdown", at);
    svg.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      epoch = Math.min(last, Math.max(first, (epoch ?? (by > 0 ? first - 1 : last + 1)) + by));
      read(panel, svg, reading, epoch);
      event.preventDefault();
    });
  }
})();
