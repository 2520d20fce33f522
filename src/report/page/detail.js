// One result looked at closely, and several side by side.

/** Results side by side at most. */
const BESIDE = 12;

function table(rows) {
  const shown = rows.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return el("table", {}, el("tbody", {}, shown.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value)))));
}

function loaded(file, prompt, controls) {
  const shown = medium(file, prompt, controls);
  shown.load();
  return shown.node;
}

/** All that is known of a job. */
function facts(job) {
  const files = (job.files ?? []).map((file) => [
    "file",
    el("span", {}, el("a", { href: address(file.path) }, file.path), ` ${size(file.bytes)}`,
      file.sidecar ? [" · ", el("a", { href: address(file.sidecar) }, "sidecar")] : []),
  ]);
  const shape = (job.files ?? []).map((file) => (file.width ? `${file.width} × ${file.height}` : "")).find(Boolean);
  return [
    ["state", stateName(job.state)],
    ["trouble", job.error && job.error.filter(Boolean).join(": ")],
    ...files,
    ["picture", shape],
    ["model", job.model],
    ...Object.entries(job.params ?? {}).map(([name, value]) => [name, plain(value)]),
    ...Object.entries(job.vars ?? {}).map(([name, value]) => [`{{ ${name} }}`, plain(value)]),
    ["cost", micros(job.cost) > 0 ? money(job.cost) : undefined],
    ["planned price", job.price && money(job.price)],
    ["generated in", job.ms === undefined ? undefined : span(job.ms)],
    ["attempts", job.attempts > 0 ? number(job.attempts) : undefined],
    ["prediction", job.prediction],
    ["row", job.place],
    ["last change", moment(job.at)],
  ];
}

/** Opens a job of a list; arrows go on to its neighbours. */
function openDetail(jobs, at, { variants, beside, acts }) {
  const dialog = byId("detail");
  const show = (next) => {
    if (next < 0 || next >= jobs.length) return;
    at = next;
    const job = jobs[at];
    const same = variants(job);
    const button = (text, label, step) => el("button", {
      type: "button", "aria-label": label, disabled: at + step < 0 || at + step >= jobs.length, click: () => show(at + step),
    }, text);
    const media = (job.files ?? []).map((file) => el("div", { class: "media" }, loaded(file, titleOf(job), true)));
    refill(dialog,
      el("div", { class: "top" },
        el("h3", {}, job.key),
        el("span", {}, button("←", "Previous", -1), " ", button("→", "Next", 1), " ",
          same.length > 1 && el("button", { type: "button", class: "variants", click: () => { dialog.close(); beside(same); } }, `Compare ${same.length} variants`), " ",
          acts(job), " ",
          el("button", { type: "button", autofocus: true, click: () => dialog.close() }, "Close"))),
      el("div", { class: "sheet" },
        el("div", {}, media, job.prompt && el("p", { class: "full" }, job.prompt)),
        table(facts(job))));
  };
  show(at);
  dialog.onkeydown = (event) => {
    if (event.target.closest("video, audio")) return;
    if (event.key === "ArrowRight") show(at + 1);
    if (event.key === "ArrowLeft") show(at - 1);
  };
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  dialog.onclose = () => dialog.replaceChildren();
  if (!dialog.open) dialog.showModal();
}

/** Opens jobs side by side, with what they differ in marked. */
function openBeside(jobs) {
  const dialog = byId("compare");
  const shown = jobs.slice(0, BESIDE);
  const names = [...new Set(shown.flatMap((job) => [...Object.keys(job.params ?? {}), ...Object.keys(job.vars ?? {})]))];
  const valueOf = (job, name) => plain((job.params ?? {})[name] ?? (job.vars ?? {})[name] ?? "");
  const differs = (of) => new Set(shown.map(of)).size > 1;
  const marked = (text, is) => (is ? el("mark", {}, text) : text);
  const cards = shown.map((job) => {
    const file = (job.files ?? [])[0];
    const rows = [
      ["model", marked(job.model, differs((it) => it.model))],
      ...names.map((name) => [name, marked(valueOf(job, name), differs((it) => valueOf(it, name)))]),
      ["cost", money(job.cost)],
      ["generated in", job.ms === undefined ? undefined : span(job.ms)],
    ];
    const prompt = job.prompt && differs((it) => it.prompt) && el("p", { class: "full" }, job.prompt);
    return el("div", { class: `is-${job.state}` },
      el("div", { class: file ? "media" : "media none" }, file ? loaded(file, titleOf(job), false) : el("span", {}, stateName(job.state))),
      el("h3", {}, job.key), prompt, table(rows));
  });
  const videos = () => [...dialog.querySelectorAll("video")];
  const both = el("button", { type: "button", class: "play" }, "Play all");
  both.addEventListener("click", () => {
    const playing = videos().some((video) => !video.paused);
    for (const video of videos()) {
      if (playing) video.pause();
      else { video.currentTime = 0; play(video); }
    }
    both.textContent = playing ? "Play all" : "Pause all";
  });
  const same = shown.length > 0 && !differs((it) => it.prompt) && shown[0].prompt;
  refill(dialog,
    el("div", { class: "top" },
      el("h3", {}, `${many(shown.length, "result")} side by side${jobs.length > BESIDE ? `, of ${number(jobs.length)}` : ""}`),
      el("span", {}, both, " ", el("button", { type: "button", autofocus: true, click: () => dialog.close() }, "Close"))),
    same && el("p", { class: "full" }, same),
    el("div", { class: "beside" }, cards));
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  dialog.onclose = () => dialog.replaceChildren();
  if (!dialog.open) dialog.showModal();
}
