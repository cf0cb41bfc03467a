"use strict";
// Filters the list of releases, and shows or hides masks. Without it all is there; it asks for nothing and sends nothing.
(() => {
  const form = document.getElementById("filter");
  if (form) {
    const items = [...document.querySelectorAll(".release")];
    const count = document.getElementById("count"), nothing = document.getElementById("nothing");
    const inSize = (number, range) => {
      const [low, high] = range.split("-");
      return number >= Number(low) && (!high || number <= Number(high));
    };
    const apply = () => {
      const asked = Object.fromEntries(new FormData(form));
      const words = asked.words.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const item of items) {
        const data = item.dataset;
        const fits = words.every((word) => data.words.includes(word))
          && ["modality", "organ", "licence", "privacy"].every((name) => !asked[name] || data[name] === asked[name])
          && (!asked.size || inSize(Number(data.size), asked.size));
        item.hidden = !fits;
        shown += fits;
      }
      const all = `${items.length} release${items.length === 1 ? "" : "s"}`;
      count.textContent = shown === items.length ? all : `${shown} of ${all}`;
      nothing.hidden = shown > 0 || items.length === 0;
      const kept = new URLSearchParams(Object.entries(asked).filter(([, value]) => value)).toString();
      history.replaceState(null, "", kept ? `#${kept}` : location.pathname + location.search);
    };
    const restore = () => {
      for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
        if (form.elements[name]) form.elements[name].value = value;
      }
      apply();
    };
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(apply));
    nothing.querySelector("a").addEventListener("click", (event) => { event.preventDefault(); form.reset(); });
    restore();
  }
  const masks = document.getElementById("masks"), strength = document.getElementById("strength");
  if (masks) {
    const gallery = document.querySelector(".gallery");
    const draw = () => {
      gallery.classList.toggle("without", !masks.checked);
      gallery.style.setProperty("--strength", strength.value / 100);
    };
    masks.addEventListener("change", draw);
    strength.addEventListener("input", draw);
    draw();
  }
})();
