// The page as the dashboard serves it: it keeps up with the ledger, and acts.

const OPEN = ["pending", "submitting", "submitted", "ready", "storing"];
const said = el("output", { class: "said", role: "status" });

/** Asks the dashboard to do something, and tells what came of it. */
async function act(what) {
  said.textContent = "…";
  try {
    const answer = await fetch("/-/act", {
      method: "POST", headers: { "content-type": "application/json", "x-nightreel": "1" }, body: JSON.stringify(what),
    });
    const text = await answer.text();
    said.textContent = answer.ok ? JSON.parse(text).said : text.trim();
  } catch (error) {
    said.textContent = `the dashboard does not answer: ${error.message}`;
  }
}

const press = (text, click, more = {}) => el("button", { type: "button", click, ...more }, text);

/** A number with a button that sets it. */
function setting(label, name, set) {
  const input = el("input", { name, size: 7, inputmode: "decimal", "aria-label": label });
  const form = el("form", {}, el("label", {}, label, " ", input), " ", el("button", { type: "submit" }, "Set"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    input.blur();
    set(input.value.trim());
  });
  return { form, show: (value) => { if (document.activeElement !== input) input.value = value; } };
}

function live(data) {
  const { id } = data.batch;
  const ofJob = (job) => [
    ["failed", "canceled"].includes(job.state) && press("Requeue", () => act({ act: "requeue", batch: id, job: job.id }), { class: "requeue" }),
    job.state === "pending" && press("Cancel", () => act({ act: "cancel", batch: id, job: job.id })),
  ].filter(Boolean);
  const page = start(data, ofJob);

  const link = el("span", { class: "link", role: "status" }, "connecting");
  const run = el("span", { class: "run" });
  const pause = press("Pause", () => act({ act: pause.dataset.act }), { "data-act": "pause", class: "pause" });
  const concurrency = setting("in flight at most", "concurrency", (value) => act({ act: "concurrency", value: Number(value) }));
  const budget = setting("budget $", "budget", (value) => act({ act: "budget", batch: id, value: value === "" ? null : value }));
  const requeue = press("Requeue all failed", () => act({ act: "requeue", batch: id }), { class: "requeue-all", hidden: true });
  const cancel = press("Cancel all waiting", () => {
    if (confirm("Take all waiting jobs out of the run? What was submitted goes on.")) act({ act: "cancel", batch: id });
  }, { hidden: true });
  const batches = el("select", { "aria-label": "Batch" });
  batches.addEventListener("change", () => { location.pathname = batches.value; });
  const ofRun = el("span", { class: "controls", hidden: true }, pause, concurrency.form, budget.form);
  byId("about").after(el("div", { id: "live", class: "live" }, link, run, ofRun, requeue, cancel, batches, said));

  const state = (now) => {
    page.figures(now.batch);
    // What a run is at work on is no trouble.
    if (now.trouble) page.pictures({ ...now, trouble: now.run ? now.trouble.filter((it) => !OPEN.includes(it.state)) : now.trouble });
    const { owner, run: going } = now;
    run.textContent = owner ? `a run is going on (${owner.split(", boot ")[0]})${going && going.paused ? ", paused" : ""}` : "no run is going on";
    if (going && going.concurrency < going.allowed) run.textContent += `; the API takes ${number(going.concurrency)} at a time just now`;
    ofRun.hidden = !(owner && going);
    if (going) {
      pause.textContent = going.paused ? "Resume" : "Pause";
      pause.dataset.act = going.paused ? "resume" : "pause";
      concurrency.show(going.allowed);
    }
    budget.show(now.batch.money.budget ? money(now.batch.money.budget).slice(1).replaceAll(",", "") : "");
    requeue.hidden = !(now.batch.jobs.failed > 0);
    cancel.hidden = !(now.batch.jobs.pending > 0);
    const options = now.batches.map(([name, to]) => el("option", { value: to, selected: to === location.pathname }, name));
    if (document.activeElement !== batches) batches.replaceChildren(...options);
    batches.hidden = now.batches.length < 2;
  };

  const changes = new EventSource(`/-/changes?batch=${id}&since=${data.at}`);
  changes.addEventListener("open", () => { link.textContent = "live"; link.className = "link is-live"; });
  changes.addEventListener("error", () => { link.textContent = "reconnecting"; link.className = "link"; });
  changes.addEventListener("state", (event) => state(JSON.parse(event.data)));
  changes.addEventListener("jobs", (event) => page.jobs(JSON.parse(event.data)));
}

live(JSON.parse(byId("data").textContent));
