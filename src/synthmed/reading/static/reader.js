// The page of a reader study: one plain script, nothing fetched from elsewhere.
//
// The server says where the reader is (state); this script shows that stage and sends back what was done. It knows no
// truth: pictures come as raw pixels under random names, and are made visible here, with all their bits.
"use strict";

(() => {
  const $ = (id) => document.getElementById(id);
  const all = (query) => [...document.querySelectorAll(query)];
  const page = crypto.randomUUID();  // names this opened page: a later one takes over
  const LANGUAGE = "synthmed-language";
  let words = {}, study = null, state = null, minWidth = 1000, resumed = false;

  // ---- words ----------------------------------------------------------------------------------------------------

  const say = (word, values = {}) =>
    Object.entries(values).reduce((text, [name, value]) => text.replaceAll(`{${name}}`, value), words[word] ?? word);

  async function speak(language) {
    let answer = await fetch(`/words/${encodeURIComponent(language)}`);
    if (!answer.ok) { language = "en"; answer = await fetch("/words/en"); }
    const found = await answer.json();
    words = found.words;
    minWidth = found.min_width;
    document.documentElement.lang = language;
    for (const element of all("[data-word]")) element.textContent = say(element.dataset.word);
    for (const element of all("[data-label]")) element.setAttribute("aria-label", say(element.dataset.label));
    $("language").replaceChildren(...Object.entries(found.languages).map(([code, name]) => new Option(name, code)));
    $("language").value = language;
    document.title = say("title");
    $("checks-told").hidden = !found.checks;
    drawKeys();
    if (study) { buildPresets(); buildQuestions(); }
  }

  function drawKeys() {
    const rows = ["choose", "confirm", "undo", "window", "presets", "zoom", "pan", "whole", "full", "invert", "pixels",
      ...(study?.marks ? ["mark"] : [])];
    for (const list of [$("keys"), $("help-keys")]) {
      list.replaceChildren(...rows.flatMap((row) => {
        const key = document.createElement("dt"), meaning = document.createElement("dd");
        key.textContent = say(`keys.${row}`);
        meaning.textContent = say(`keys.${row}.does`);
        return [key, meaning];
      }));
    }
  }

  // ---- screens --------------------------------------------------------------------------------------------------

  let shown = "";

  function show(name) {
    if (name !== "narrow") shown = name;
    const narrow = tooSmall();
    for (const section of all("body > section")) section.hidden = section.id !== (narrow ? "narrow" : name);
    document.body.classList.toggle("reading", name === "trial" && !narrow);
    $("narrow-size").textContent = say("narrow.size", { have: innerWidth, need: minWidth });
    const heading = document.querySelector(`#${narrow ? "narrow" : name} h1`);
    if (heading) { heading.tabIndex = -1; heading.focus({ preventScroll: true }); }
  }

  const tooSmall = () => innerWidth < minWidth || innerHeight < 500;

  function announce(text) { $("status").textContent = text; }

  // ---- talking to the server ------------------------------------------------------------------------------------

  class Refused extends Error {
    constructor(status, told) { super(told.message ?? String(status)); this.status = status; this.code = told.error ?? ""; }
  }

  const pause = (ms) => new Promise((done) => setTimeout(done, ms));

  // Sent again until the server says something: the same key makes the server keep an answer once.
  async function ask(path, body) {
    for (let tries = 0; ; tries += 1) {
      let answer = null;
      try {
        answer = body === undefined ? await fetch(path) : await fetch(path, { method: "POST",
          headers: { "content-type": "application/json" }, body: JSON.stringify({ page, ...body }) });
      } catch { /* the connection was lost */ }
      if (answer?.ok) { lost(""); return answer; }
      const told = answer ? await answer.json().catch(() => ({})) : {};
      if (answer && answer.status < 500) { lost(""); throw new Refused(answer.status, told); }
      lost(answer?.status === 507 ? say("lost.storage") : say("lost.connection"));
      await pause(Math.min(5000, 400 * 2 ** tries));
    }
  }

  function lost(text) {
    for (const element of [$("sending"), $("alert")]) {
      element.hidden = !text || (element.id === "alert") === (shown === "trial");
      element.textContent = text;
    }
  }

  const post = async (path, body) => (await ask(path, body)).json();

  async function recover(error) {
    if (!(error instanceof Refused)) throw error;
    if (error.code === "elsewhere") { show("elsewhere"); return; }
    if (error.status === 401) { enterAgain(error.code === "login" ? "" : error.message); return; }
    state = await post("/api/open", {});  // an answer that stands already, or a trial that was left behind
    await go();
  }

  const safely = (work) => async (...given) => { try { await work(...given); } catch (error) { await recover(error); } };

  // ---- entering -------------------------------------------------------------------------------------------------

  function enterAgain(message) {
    $("enter-trouble").hidden = !message;
    $("enter-trouble").textContent = message;
    show("enter");
    $("token").value = "";
    if (!tooSmall()) $("token").focus();
  }

  async function enter(token) {
    try {
      await post("/api/enter", { token });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      enterAgain(error.status === 429 ? say("enter.wait") : say("enter.wrong"));
      return;
    }
    await open();
  }

  const open = safely(async () => {
    study = await (await ask("/api/study")).json();
    buildViews(); buildPresets(); buildQuestions(); drawKeys();
    state = await post("/api/open", {});
    resumed = (state.answered ?? 0) + (state.warmed ?? 0) > 0;
    if (resumed && state.stage === "trial") { $("again").hidden = false; show("instructions"); return; }
    await go();
  });

  async function go() {
    pictures.keep([state.trial?.handle, state.next]);
    if (state.stage === "trial") { await trial(); return; }
    fill();
    show(state.stage);
  }

  function fill() {
    drawPatches();
    $("break-progress").textContent = say("break.progress", { n: state.answered, total: state.total });
    if (state.stage === "washout") {
      const when = new Date(state.opens).toLocaleString(document.documentElement.lang, { dateStyle: "full", timeStyle: "short" });
      $("washout-text").textContent = say("washout.text", { session: state.session, sessions: state.sessions, when });
    }
  }

  const step = safely(async (name) => {
    if (name === "instructions" && state.stage === "trial") { resumed = false; await go(); return; }
    state = await post("/api/step", { name, facts: name === "display" ? displayFacts() : {
      language: document.documentElement.lang } });
    await go();
  });

  // ---- the display ----------------------------------------------------------------------------------------------

  // Eighteen steps of grey, and squares of 5 % in black and 95 % in white, as in the TG18-QC pattern.
  function drawPatches() {
    const canvas = $("patches"), pen = canvas.getContext("2d"), wide = canvas.width / 9, high = canvas.height / 2;
    for (let k = 0; k < 18; k += 1) {
      const grey = Math.round((k / 17) * 255), x = (k % 9) * wide, y = Math.floor(k / 9) * high;
      pen.fillStyle = `rgb(${grey},${grey},${grey})`;
      pen.fillRect(x, y, wide, high);
      const inner = { 0: 13, 17: 242 }[k];
      if (inner !== undefined) {
        pen.fillStyle = `rgb(${inner},${inner},${inner})`;
        pen.fillRect(x + wide / 3, y + high / 3, wide / 3, high / 3);
      }
    }
  }

  const displayFacts = () => ({ dark_seen: $("dark").checked, bright_seen: $("bright").checked,
    card_css_pixels: $("card").dataset.used ? Number($("card").value) : null,
    pixel_ratio: devicePixelRatio, window: [innerWidth, innerHeight], screen: [screen.width, screen.height],
    colour_depth: screen.colorDepth, language: document.documentElement.lang });

  // ---- pictures: fetched once, kept for the trial and the next -------------------------------------------------

  const pictures = {
    waiting: new Map(),
    get(handle) {
      if (!this.waiting.has(handle)) {
        this.waiting.set(handle, ask(`/api/picture/${handle}?page=${page}`).then((found) => found.arrayBuffer()));
        this.waiting.get(handle).catch(() => this.waiting.delete(handle));
      }
      return this.waiting.get(handle);
    },
    keep(handles) { for (const handle of this.waiting.keys()) if (!handles.includes(handle)) this.waiting.delete(handle); },
  };

  // ---- views: one canvas for every panel of every image, all moved together --------------------------------------

  const START = { shift: 0, width: 1, zoom: 1, x: 0, y: 0, invert: false, pixels: false };
  let view = { ...START }, views = [], pixels = null, spot = null, changes = 0;

  function buildViews() {
    views = [];
    for (let image = 0; image < study.images; image += 1) {
      for (const panel of study.panels) {
        const box = document.createElement("div"), canvas = document.createElement("canvas"), name = document.createElement("span");
        box.className = "view";
        canvas.setAttribute("role", "img");
        name.textContent = study.panels.length > 1 ? panel.name : "";
        box.append(canvas, name);
        const one = { image, panel, canvas, picture: new OffscreenCanvas(study.width, study.height), box };
        one.data = one.picture.getContext("2d").createImageData(study.width, study.height);
        listen(one);
        views.push(one);
      }
    }
    const count = views.length, tall = study.height > study.width;
    const columns = study.images > 1 ? (study.panels.length > 1 ? study.panels.length : 2)
      : count <= 1 ? 1 : count <= 3 ? count : Math.ceil(count / 2 + (tall && count > 6 ? 1 : 0));
    $("views").style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    $("views").style.gridAutoRows = "minmax(0, 1fr)";
    $("views").replaceChildren(...views.map((one) => one.box));
    new ResizeObserver(() => draw()).observe($("views"));
  }

  function buildPresets() {
    const names = ["study", "full", ...Object.keys(study.windows)];
    $("preset").replaceChildren(...names.map((name) => new Option(words[`window.${name}`] ?? name, name)));
  }

  const top = () => 2 ** study.bits - 1;

  // [darkest, brightest] of a panel: the preset's, moved and stretched by what the reader did.
  function windowOf(panel) {
    const preset = $("preset").value || "study";
    let [low, high] = [panel.low, panel.high];
    if (preset === "full") [low, high] = panel.kind === "difference" ? [-top(), top()] : [0, top()];
    else if (preset in study.windows && panel.kind !== "difference") [low, high] = study.windows[preset];
    const middle = (low + high) / 2 + view.shift * (high - low), half = ((high - low) / 2) * view.width;
    return [middle - half, middle + half];
  }

  // Stored numbers, all bits of them, to the 256 greys of a screen: the last step, and the only one that loses any.
  function paint(one) {
    const { panel, image, data } = one, size = study.width * study.height, from = image * study.channels * size;
    const [low, high] = windowOf(panel), gain = 255 / (high - low), out = data.data;
    const shade = (value) => { const grey = (value - low) * gain; return view.invert ? 255 - grey : grey; };
    if (panel.kind === "difference") {
      for (let k = 0; k < size; k += 1) {
        const plus = pixels[from + panel.channel * size + k], minus = pixels[from + panel.minus * size + k];
        out[4 * k] = out[4 * k + 1] = out[4 * k + 2] = shade(plus - minus);
        out[4 * k + 3] = 255;
      }
    } else {
      const table = new Uint8ClampedArray(top() + 1);
      for (let value = 0; value <= top(); value += 1) table[value] = shade(value);
      const colour = panel.kind === "colour" ? [0, 1, 2] : [panel.channel, panel.channel, panel.channel];
      for (let k = 0; k < size; k += 1) {
        for (let c = 0; c < 3; c += 1) out[4 * k + c] = table[pixels[from + colour[c] * size + k]];
        out[4 * k + 3] = 255;
      }
    }
    one.picture.getContext("2d").putImageData(data, 0, 0);
  }

  function place(one) {  // device pixels: scale, and where the image's upper left corner lies
    const { width, height } = one.canvas, fit = Math.min(width / study.width, height / study.height);
    const scale = view.zoom === "full" ? 1 : fit * view.zoom;
    return { scale, left: width / 2 - (study.width / 2 + view.x) * scale, top: height / 2 - (study.height / 2 + view.y) * scale };
  }

  function draw({ repaint = false } = {}) {
    if (!pixels) return;
    for (const one of views) {
      const { canvas } = one, wide = Math.round(canvas.clientWidth * devicePixelRatio), high = Math.round(canvas.clientHeight * devicePixelRatio);
      if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
      if (repaint) paint(one);
      const pen = canvas.getContext("2d"), { scale, left, top: above } = place(one);
      pen.clearRect(0, 0, canvas.width, canvas.height);
      pen.imageSmoothingEnabled = !view.pixels && scale !== 1;
      pen.imageSmoothingQuality = "high";
      const [x, y] = scale === 1 ? [Math.round(left), Math.round(above)] : [left, above];
      pen.drawImage(one.picture, x, y, study.width * scale, study.height * scale);
      if (spot && study.marks) mark(pen, x + (spot[0] + 0.5) * scale, y + (spot[1] + 0.5) * scale);
    }
    readout();
  }

  function mark(pen, x, y) {
    for (const [colour, width] of [["#000", 5], ["#ffd75e", 2]]) {
      pen.strokeStyle = colour; pen.lineWidth = width * devicePixelRatio;
      pen.beginPath(); pen.arc(x, y, 12 * devicePixelRatio, 0, 2 * Math.PI);
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        pen.moveTo(x + dx * 8 * devicePixelRatio, y + dy * 8 * devicePixelRatio);
        pen.lineTo(x + dx * 20 * devicePixelRatio, y + dy * 20 * devicePixelRatio);
      }
      pen.stroke();
    }
  }

  function readout() {
    const [low, high] = windowOf(views[0].panel), { scale } = place(views[0]);
    $("readout").textContent = `${say("readout.window", { low: Math.round(low), high: Math.round(high) })}\n` +
      say("readout.zoom", { percent: Math.round(scale * 100) });
    $("readout").dataset.low = low; $("readout").dataset.high = high; $("readout").dataset.scale = scale;
  }

  function change(next) {
    const repaint = "shift" in next || "width" in next || "invert" in next || next.preset === true;
    delete next.preset;
    view = { ...view, ...next };
    if (typeof view.width === "number") view.width = Math.min(8, Math.max(0.01, view.width));
    if (typeof view.zoom === "number") view.zoom = Math.min(40, Math.max(0.5, view.zoom));
    view.x = Math.max(-study.width, Math.min(study.width, view.x));
    view.y = Math.max(-study.height, Math.min(study.height, view.y));
    changes += 1;
    for (const name of ["invert", "pixels"]) document.querySelector(`[data-tool=${name}]`).setAttribute("aria-pressed", view[name]);
    draw({ repaint });
  }

  // Zoom by a factor; what lies under the pointer stays there.
  function zoomBy(factor, one = views[0], at = null) {
    const before = place(one), fit = Math.min(one.canvas.width / study.width, one.canvas.height / study.height);
    const zoom = Math.min(40, Math.max(0.5, (before.scale / fit) * factor)), scale = zoom * fit;
    const middle = [one.canvas.width / 2, one.canvas.height / 2], [px, py] = at ?? middle;
    const imageX = (px - before.left) / before.scale, imageY = (py - before.top) / before.scale;
    change({ zoom, x: imageX - (px - middle[0]) / scale - study.width / 2, y: imageY - (py - middle[1]) / scale - study.height / 2 });
  }

  function listen(one) {
    const { canvas } = one, fingers = new Map();
    let spread = 0;
    const at = (event) => [event.offsetX * devicePixelRatio, event.offsetY * devicePixelRatio];
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      spread = 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before || !pixels) return;
      const dx = event.clientX - before[0], dy = event.clientY - before[1];
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      if (fingers.size > 1) {
        const [a, b] = [...fingers.values()], now = Math.hypot(a[0] - b[0], a[1] - b[1]);
        if (spread) zoomBy(now / spread, one);
        spread = now;
      } else if (event.shiftKey || event.buttons & 6) {
        const { scale } = place(one);
        change({ x: view.x - (dx * devicePixelRatio) / scale, y: view.y - (dy * devicePixelRatio) / scale });
      } else if (event.buttons & 1) {
        change({ width: view.width * Math.exp(dx / 250), shift: view.shift + (dy / 500) * Math.max(0.05, view.width) });
      }
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
    canvas.addEventListener("wheel", (event) => { event.preventDefault(); if (pixels) zoomBy(Math.exp(-event.deltaY / 400), one, at(event)); },
      { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", (event) => {
      if (!pixels) return;
      if (!study.marks) { tool("reset"); return; }
      const { scale, left, top: above } = place(one), [px, py] = at(event);
      setSpot([Math.floor((px - left) / scale), Math.floor((py - above) / scale)]);
    });
  }

  function setSpot([x, y]) {
    spot = [Math.min(study.width - 1, Math.max(0, x)), Math.min(study.height - 1, Math.max(0, y))];
    $("spot-told").textContent = say("spot.set", { x: spot[0], y: spot[1] });
    draw(); ready();
  }

  function tool(name) {
    if (name === "reset") change({ ...START, invert: view.invert, pixels: view.pixels });
    if (name === "full") change({ zoom: view.zoom === "full" ? 1 : "full", x: 0, y: 0 });
    if (name === "nearer") zoomBy(1.25);
    if (name === "farther") zoomBy(0.8);
    if (name === "invert") change({ invert: !view.invert });
    if (name === "pixels") change({ pixels: !view.pixels });
    if (name === "help") $("help").showModal();
  }

  // ---- a trial --------------------------------------------------------------------------------------------------

  let answer = {}, painted = 0, first = 0, blurred = [], busy = true, feedback = false;

  function buildQuestions() {
    $("questions").replaceChildren(...study.questions.map((question) => {
      const group = document.createElement("div"), title = document.createElement("p"), choices = document.createElement("div");
      group.className = "question"; choices.className = "choices";
      group.setAttribute("role", "group");
      title.id = `q-${question.name}`;
      group.setAttribute("aria-labelledby", title.id);
      title.textContent = say(`question.${question.name}`);
      choices.append(...question.choices.map((value, k) => {
        const button = document.createElement("button"), key = document.createElement("kbd");
        button.type = "button";
        button.dataset.question = question.name; button.dataset.value = value;
        key.textContent = k + 1; key.setAttribute("aria-hidden", "true");
        button.append(key, say(`choice.${question.name}.${value}`));
        button.addEventListener("click", () => choose(question.name, value));
        return button;
      }));
      group.append(title, choices);
      return group;
    }));
    $("spot-told").hidden = !study.marks;
    pressed();
  }

  const asked = () => study.questions.find((question) => !(question.name in answer));

  function choose(name, value) {
    if (busy || feedback) return;
    first ||= performance.now();
    answer[name] = value;
    pressed();
    announce(say("chosen", { choice: say(`choice.${name}.${value}`) }));
  }

  function pressed() {
    for (const button of all("#questions button"))
      button.setAttribute("aria-pressed", answer[button.dataset.question] === button.dataset.value);
    ready();
  }

  const complete = () => !busy && (feedback || (!asked() && (!study.marks || spot !== null)));

  function ready() {
    $("confirm").setAttribute("aria-disabled", !complete());
    $("trial").dataset.ready = !busy;
    $("confirm").textContent = say(feedback ? "trial.next" : "trial.confirm");
  }

  async function trial() {
    busy = true; feedback = false; answer = {}; spot = null; first = 0; blurred = []; changes = 0;
    view = { ...START };
    $("preset").selectedIndex = 0;
    const { handle, warmup } = state.trial, number = (warmup ? state.warmed : state.answered) + 1;
    const total = warmup ? state.warmup : state.total;
    $("truth").hidden = true;
    $("warm").hidden = !warmup;
    $("count").textContent = say("trial.count", { n: number, total });
    $("bar").value = (number - 1) / total;
    $("spot-told").textContent = say("spot.none");
    pressed();
    const late = !pictures.waiting.has(handle);
    const found = await pictures.get(handle);
    pixels = study.bits === 16 ? new Uint16Array(found) : new Uint8Array(found);
    show("trial");
    for (const one of views) one.canvas.setAttribute("aria-label", say("picture.label", { n: number, total }));
    change({});
    changes = 0;
    draw({ repaint: true });
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));  // painted
    painted = performance.now();
    if (document.hidden || !document.hasFocus()) blurred.push([0, null]);
    busy = false; ready();
    $("panel").focus({ preventScroll: true });
    $("trial").dataset.handle = handle; $("trial").dataset.late = late;
    announce(`${$("count").textContent}. ${say("task")}`);
    if (state.next) pictures.get(state.next).catch(() => {});
  }

  const send = safely(async () => {
    if (!complete()) return;
    if (feedback) { await go(); return; }
    const now = performance.now();
    busy = true; ready();
    const lostFocus = blurred.map(([from, to]) => [Math.round(from), Math.round(to ?? now - painted)]);
    const body = { handle: state.trial.handle, key: crypto.randomUUID(), answer: study.marks ? { ...answer, spot } : answer,
      response_ms: now - painted, viewing: { first_ms: Math.round(first - painted), focus_lost: lostFocus.slice(0, 50), changes,
        shift: view.shift, width: view.width, zoom: view.zoom, invert: view.invert, window: [innerWidth, innerHeight],
        pixel_ratio: devicePixelRatio } };
    const told = await post("/api/answer", body);
    state = told.state;
    if (told.truth === undefined) { await go(); return; }
    feedback = true; busy = false; ready();
    $("truth").textContent = say(`truth.${told.truth}`);
    $("truth").hidden = false;
  });

  function away() {
    const last = blurred.at(-1);
    if (shown === "trial" && !busy && (!last || last[1] !== null)) blurred.push([performance.now() - painted, null]);
  }
  function back() {
    const last = blurred.at(-1);
    if (last && last[1] === null) last[1] = performance.now() - painted;
  }

  // ---- keys -----------------------------------------------------------------------------------------------------

  function key(event) {
    if (shown !== "trial" || tooSmall() || $("help").open || event.ctrlKey || event.metaKey) return;
    if (event.target instanceof HTMLSelectElement || event.target.tagName === "SUMMARY") return;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const onButton = event.target instanceof HTMLButtonElement, letter = event.key.toLowerCase();
    if (/^[1-9]$/.test(event.key) && !busy && !event.altKey) {
      const question = asked() ?? study.questions.at(-1), value = question.choices[Number(event.key) - 1];
      if (value !== undefined) choose(question.name, value);
    } else if (event.key === "Enter") {
      if (onButton && event.target.id !== "confirm" && event.target.getAttribute("aria-pressed") !== "true") return;
      if (onButton && event.target.dataset.tool) return;
      if (!event.repeat) send();
    } else if (event.key === "Backspace") {
      const last = study.questions.findLast((question) => question.name in answer);
      if (last && !busy && !feedback) { delete answer[last.name]; pressed(); }
    } else if (arrows && event.altKey && study.marks && spot) setSpot([spot[0] + arrows[0], spot[1] + arrows[1]]);
    else if (arrows && event.shiftKey) change({ x: view.x + (arrows[0] * study.width) / 20, y: view.y + (arrows[1] * study.height) / 20 });
    else if (arrows && pixels) change({ width: view.width * 1.08 ** arrows[0], shift: view.shift - arrows[1] * 0.02 });
    else if (event.key === "+" || event.key === "=") tool("nearer");
    else if (event.key === "-") tool("farther");
    else if (event.key === "0") tool("reset");
    else if (letter === "o") tool("full");
    else if (letter === "i") tool("invert");
    else if (letter === "p") tool("pixels");
    else if (event.key === "?") tool("help");
    else if (letter === "w") {
      $("preset").selectedIndex = ($("preset").selectedIndex + 1) % $("preset").length;
      change({ shift: 0, width: 1 });
    } else if (letter === "m" && study.marks) setSpot([study.width >> 1, study.height >> 1]);
    else return;
    event.preventDefault();
  }

  // ---- begin ----------------------------------------------------------------------------------------------------

  function wire() {
    addEventListener("keydown", key);
    addEventListener("blur", away);
    addEventListener("focus", back);
    document.addEventListener("visibilitychange", () => (document.hidden ? away() : back()));
    addEventListener("resize", () => { if (shown) { const small = tooSmall(); if (small === $("narrow").hidden) { small ? away() : back(); show(shown); } draw(); } });
    $("confirm").addEventListener("click", () => send());
    $("enter-form").addEventListener("submit", (event) => { event.preventDefault(); enter($("token").value); });
    $("agree").addEventListener("change", () => { document.querySelector("[data-step=consent]").disabled = !$("agree").checked; });
    $("card").addEventListener("input", () => { $("card").dataset.used = "yes"; $("card-shape").style.width = `${$("card").value}px`; });
    $("card-shape").style.width = `${$("card").value}px`;
    $("preset").addEventListener("change", () => { change({ shift: 0, width: 1 }); $("panel").focus(); });
    $("here").addEventListener("click", open);
    $("language").addEventListener("change", async () => {
      sessionStorage.setItem(LANGUAGE, $("language").value);
      await speak($("language").value);
      if (state) fill();
      if (shown) show(shown);
    });
    for (const button of all("[data-step]")) button.addEventListener("click", () => step(button.dataset.step));
    for (const button of all("[data-tool]")) button.addEventListener("click", () => { tool(button.dataset.tool); if (button.dataset.tool !== "help") $("panel").focus(); });
    for (const button of all("[data-leave]")) button.addEventListener("click", async () => { await post("/api/leave", {}); state = null; enterAgain(""); });
  }

  // An invitation stands behind #, so that it reaches no server log; it is taken out of the address at once.
  async function byLink() {
    const token = location.hash.slice(1);
    if (token) history.replaceState(null, "", location.pathname);
    if (token) await enter(token);
    return token !== "";
  }

  async function begin() {
    await speak(sessionStorage.getItem(LANGUAGE) ?? navigator.language.slice(0, 2));
    wire();
    addEventListener("hashchange", byLink);
    if (!(await byLink())) await open();
  }

  begin();
})();
