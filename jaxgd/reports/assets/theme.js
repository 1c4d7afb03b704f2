"use strict";
(() => {
  const names = ["automatic", "light", "dark"];
  const button = document.getElementById("theme");
  let place = 0;
  button.addEventListener("click", () => {
    place = (place + 1) % names.length;
    if (place) document.documentElement.dataset.theme = names[place];
    else delete document.documentElement.dataset.theme;
    button.textContent = `Theme: ${names[place]}`;
    document.dispatchEvent(new Event("themechange"));
  });
})();
