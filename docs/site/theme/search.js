// The search: an index that is fetched when the field is first used, and every word of the question in it.
addEventListener("DOMContentLoaded", () => {
  const field = document.getElementById("search"), found = document.getElementById("found");
  const SHOWN = 20, AROUND = 90;
  let loading = false;

  function load() {
    if (loading) return;
    loading = true;
    const script = document.createElement("script");
    script.src = `${base_url}/search/search_index.js`;
    script.onload = show;
    document.head.append(script);
  }

  // How well a part of a page answers: words in its title count most; 0 if any word is missing.
  function score(part, words) {
    const title = part.title.toLowerCase(), text = part.text.toLowerCase();
    let sum = 0;
    for (const word of words) {
      const here = (title === word ? 40 : title.includes(word) ? 10 : 0) + Math.min(text.split(word).length - 1, 5);
      if (!here) return 0;
      sum += here;
    }
    return sum;
  }

  function entry(part, word) {
    const place = Math.max(part.text.toLowerCase().indexOf(word) - AROUND / 2, 0);
    const link = document.createElement("a"), text = document.createElement("p");
    link.href = `${base_url}/${part.location}`;
    link.textContent = part.title;
    text.textContent = (place ? "… " : "") + part.text.slice(place, place + 2 * AROUND);
    const item = document.createElement("article");
    item.append(link, text);
    return item;
  }

  function show() {
    const words = field.value.toLowerCase().split(/\s+/).filter((word) => word.length > 1);
    found.replaceChildren();
    if (!words.length || !self.searchIndex) return;
    const hits = self.searchIndex.docs.map((part) => [score(part, words), part]).filter(([sum]) => sum);
    hits.sort((one, other) => other[0] - one[0]);
    found.append(...hits.slice(0, SHOWN).map(([, part]) => entry(part, words[0])));
    if (!hits.length) found.textContent = "Nothing found.";
  }

  field.addEventListener("focus", load);
  field.addEventListener("input", () => { load(); show(); });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") { field.value = ""; show(); }
    if (event.key === "/" && !/INPUT|TEXTAREA/.test(document.activeElement.tagName)) { event.preventDefault(); field.focus(); }
  });
});
