// The gallery: only the cards that can be seen exist, so ten thousand are as light as fifty.

const GAP = 16;
const NARROWEST = 250;
/** Height of what stands below a card's picture. */
const WORDS = 108;
/** Rows kept beyond what can be seen. */
const BEYOND = 2;
/** A card must stay in sight so long, in milliseconds, before its file is loaded. */
const SETTLED = 120;

/** A file as the browser shows it; nothing is loaded before `load` is called. */
function medium(file, prompt, controls) {
  const source = address(file.path);
  const kind = String(file.type ?? "").split("/")[0];
  if (kind === "video") {
    const video = el("video", { muted: !controls, loop: true, playsinline: true, controls, preload: "none", "aria-label": prompt });
    video.muted = !controls;
    // The first picture is the poster.
    return { node: video, load: () => { video.preload = "metadata"; video.src = `${source}#t=0.001`; }, unload: () => { video.removeAttribute("src"); video.load(); } };
  }
  if (kind === "image") {
    const image = el("img", { alt: prompt, decoding: "async" });
    return { node: image, load: () => { image.src = source; }, unload: () => image.removeAttribute("src") };
  }
  if (kind === "audio") {
    const audio = el("audio", { controls: true, preload: "none", "aria-label": prompt });
    return { node: audio, load: () => { audio.src = source; }, unload: () => { audio.removeAttribute("src"); audio.load(); } };
  }
  return { node: el("a", { href: source }, file.path), load: () => {}, unload: () => {} };
}

const titleOf = (job) => job.prompt ?? job.key;
const brief = (job) => Object.entries(job.params ?? {}).map(([name, value]) => `${name} ${cut(plain(value))}`).join(" · ");

function play(video) {
  video.play().catch(() => {});
}

function still(video) {
  video.pause();
  video.currentTime = 0;
}

class Gallery {
  constructor(grid, { open, pick, picked }) {
    Object.assign(this, { grid, open, pick, picked, jobs: [], shown: new Map(), columns: 1, tall: 1 });
    addEventListener("scroll", () => this.soon(), { passive: true });
    new ResizeObserver(() => this.measure()).observe(grid);
    grid.addEventListener("keydown", (event) => this.walk(event));
  }

  /** Shows these jobs; cards that stay what they were are left alone. */
  show(jobs) {
    if (jobs.length === this.jobs.length && jobs.every((job, at) => job === this.jobs[at])) return;
    for (const at of [...this.shown.keys()]) if (jobs[at] !== this.jobs[at]) this.drop(at);
    for (const { node } of this.shown.values()) node.setAttribute("aria-setsize", jobs.length);
    this.jobs = jobs;
    this.wide = undefined;
    this.measure();
  }

  renew(jobs = this.jobs) {
    for (const at of [...this.shown.keys()]) this.drop(at);
    this.jobs = jobs;
    this.wide = undefined;
    this.measure();
  }

  measure() {
    const wide = this.grid.clientWidth;
    if (wide === this.wide) return;
    this.wide = wide;
    this.columns = Math.max(1, Math.floor((wide + GAP) / (NARROWEST + GAP)));
    this.card = (wide - GAP * (this.columns - 1)) / this.columns;
    this.tall = (this.card * 9) / 16 + WORDS + GAP;
    const rows = Math.ceil(this.jobs.length / this.columns);
    this.grid.style.setProperty("height", `${rows * this.tall}px`);
    for (const [at, card] of this.shown) this.place(card.node, at);
    this.update();
  }

  soon() {
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      this.update();
    });
  }

  update() {
    const top = this.grid.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / this.tall) - BEYOND) * this.columns;
    const end = Math.min(this.jobs.length, (Math.ceil((innerHeight - top) / this.tall) + BEYOND) * this.columns);
    for (const [at, card] of this.shown) {
      if ((at < first || at >= end) && !card.node.contains(document.activeElement)) this.drop(at);
    }
    for (let at = first; at < end; at += 1) if (!this.shown.has(at)) this.add(at);
  }

  place(node, at) {
    const [row, column] = [Math.floor(at / this.columns), at % this.columns];
    node.style.setProperty("width", `${this.card}px`);
    node.style.setProperty("height", `${this.tall - GAP}px`);
    node.style.setProperty("transform", `translate(${column * (this.card + GAP)}px, ${row * this.tall}px)`);
  }

  add(at) {
    const job = this.jobs[at];
    const file = (job.files ?? [])[0];
    const shown = file && medium(file, titleOf(job), false);
    const missing = () => el("span", {}, job.error ? `${stateName(job.state)}: ${job.error[1] || job.error[0]}` : stateName(job.state));
    const seconds = file && file.seconds ? `${Number(file.seconds).toFixed(1)} s` : "";
    const check = el("input", { type: "checkbox", class: "pick", "aria-label": `Compare ${job.key}` });
    check.checked = this.picked(job);
    const node = el("article", {
      class: `card is-${job.state}${check.checked ? " picked" : ""}`, role: "listitem", tabindex: 0, "data-key": job.key,
      "aria-setsize": this.jobs.length, "aria-posinset": at + 1, "aria-label": `${job.key}, ${stateName(job.state)}: ${titleOf(job)}`,
    },
    el("div", { class: shown ? "media" : "media none" }, shown ? shown.node : missing()),
    el("div", { class: "words" },
      el("div", { class: "prompt" }, titleOf(job)),
      el("div", { class: "line" }, el("span", {}, brief(job) || job.model), el("span", {}, seconds)),
      el("div", { class: "line" },
        el("span", {}, el("i", { class: "dot" }), job.state === "done" ? job.key : `${stateName(job.state)} · ${job.key}`),
        el("span", {}, micros(job.cost) > 0 ? money(job.cost) : ""))),
    check);
    check.addEventListener("click", (event) => event.stopPropagation());
    check.addEventListener("change", () => {
      check.checked = this.pick(job, check.checked);
      node.classList.toggle("picked", check.checked);
    });
    node.addEventListener("click", () => this.open(job, this.jobs, at));
    if (shown && shown.node.localName === "video") {
      for (const begin of ["pointerenter", "focus"]) node.addEventListener(begin, () => play(shown.node));
      for (const end of ["pointerleave", "blur"]) node.addEventListener(end, () => still(shown.node));
    }
    if (shown && shown.node.localName === "audio") shown.node.addEventListener("click", (event) => event.stopPropagation());
    this.place(node, at);
    const timer = shown ? setTimeout(shown.load, SETTLED) : 0;
    this.shown.set(at, { node, shown, timer });
    // In the order of the page, for those who go through it by keyboard.
    const after = [...this.shown.keys()].filter((other) => other > at).sort((a, b) => a - b)[0];
    this.grid.insertBefore(node, after === undefined ? null : this.shown.get(after).node);
  }

  drop(at) {
    const { node, shown, timer } = this.shown.get(at);
    clearTimeout(timer);
    this.shown.delete(at);
    node.remove();
    if (shown) shown.unload();
  }

  walk(event) {
    const at = [...this.shown].find(([, card]) => card.node === event.target)?.[0];
    if (at === undefined) return;
    if (event.key === "Enter") {
      // The same key would press the button that has the focus then.
      event.preventDefault();
      return this.open(this.jobs[at], this.jobs, at);
    }
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns }[event.key];
    if (step === undefined || at + step < 0 || at + step >= this.jobs.length) return;
    event.preventDefault();
    const next = at + step;
    if (!this.shown.has(next)) this.add(next);
    this.shown.get(next).node.focus({ preventScroll: true });
    this.shown.get(next).node.scrollIntoView({ block: "nearest" });
  }
}
