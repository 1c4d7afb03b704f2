// Light or dark: what the system asks for, until the button is pressed.
(() => {
  const root = document.documentElement;
  const asked = matchMedia("(prefers-color-scheme: dark)");
  const read = () => { try { return localStorage.getItem("colours"); } catch { return null; } };
  const show = () => { root.dataset.colours = read() || (asked.matches ? "dark" : "light"); };
  show();
  asked.addEventListener("change", show);
  addEventListener("DOMContentLoaded", () => {
    document.getElementById("colours").addEventListener("click", () => {
      root.dataset.colours = root.dataset.colours === "dark" ? "light" : "dark";
      try { localStorage.setItem("colours", root.dataset.colours); } catch { /* only this page, then */ }
    });
  });
})();
