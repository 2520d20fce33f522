// What is looked for: words, choices and an order, over all jobs at once.

const ORDERS = {
  "as in the manifest": (a, b) => a.row - b.row || (a.key < b.key ? -1 : 1),
  "newest first": (a, b) => b.at - a.at,
  "dearest first": (a, b) => micros(b.cost) - micros(a.cost),
  "slowest first": (a, b) => (b.ms ?? -1) - (a.ms ?? -1),
  "largest first": (a, b) => bytesOf(b) - bytesOf(a),
  "by prompt": (a, b) => (a.prompt ?? "").localeCompare(b.prompt ?? "") || a.row - b.row,
};
/** Values of a parameter beyond which it is no choice but a text. */
const CHOICES = 24;
/** Selects beyond which the row of filters is no help. */
const SELECTS = 8;

const bytesOf = (job) => (job.files ?? []).reduce((sum, file) => sum + file.bytes, 0);
const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/** All that can be found of a job, in small letters; made once. */
const texts = new WeakMap();
function textOf(job) {
  let text = texts.get(job);
  if (text === undefined) {
    const error = job.error ? job.error.join(" ") : "";
    const values = [job.params, job.vars].map((it) => (it ? JSON.stringify(it) : ""));
    text = [job.key, job.model, job.prompt ?? "", job.prediction ?? "", error, ...values].join("\n").toLowerCase();
    texts.set(job, text);
  }
  return text;
}

/** The parameters and variables that jobs differ in by few values: `[title, of a job, values]`. */
function choices(jobs) {
  const found = new Map();
  for (const job of jobs) {
    for (const [kind, values] of [["params", job.params], ["vars", job.vars]]) {
      for (const [name, value] of Object.entries(values ?? {})) {
        const id = `${kind} ${name}`;
        if (!found.has(id)) found.set(id, { kind, name, values: new Map(), jobs: 0 });
        const entry = found.get(id);
        entry.jobs += 1;
        if (entry.values.size <= CHOICES) entry.values.set(plain(value), (entry.values.get(plain(value)) ?? 0) + 1);
      }
    }
  }
  const lists = [
    { title: "state", of: (job) => job.state, values: tally(jobs, (job) => job.state), name: stateName },
    { title: "model", of: (job) => job.model, values: tally(jobs, (job) => job.model) },
  ];
  for (const { kind, name, values } of found.values()) {
    lists.push({ title: name, of: (job) => (job[kind] && name in job[kind] ? plain(job[kind][name]) : undefined), values });
  }
  const useful = ({ title, values }) => (values.size > 1 || title === "state") && values.size <= CHOICES;
  return lists.filter(useful).slice(0, SELECTS);
}

function tally(jobs, of) {
  const counts = new Map();
  for (const job of jobs) counts.set(of(job), (counts.get(of(job)) ?? 0) + 1);
  return counts;
}

/**
 * The row of filters; `changed` is called with what is left, in order. What it returns looks at the jobs
 * again, which may be others by now.
 */
function filters(form, jobs, changed) {
  const words = el("input", { type: "search", name: "words", placeholder: "Search prompts, ids, errors …", "aria-label": "Search" });
  let selects = [];
  const selectsOf = (kept) => choices(jobs).map(({ title, of, values, name = (value) => value }) => {
    const sorted = [...values].sort((a, b) => String(a[0]).localeCompare(String(b[0]), undefined, { numeric: true }));
    const options = sorted.map(([value, count]) => el("option", { value }, `${cut(name(value))} (${number(count)})`));
    const select = el("select", { name: title, "aria-label": title }, el("option", { value: "" }, `any ${cut(title)}`), options);
    select.selectedIndex = sorted.findIndex(([value]) => value === kept.get(title)) + 1;
    return { title, select, of, chosen: () => (select.selectedIndex > 0 ? sorted[select.selectedIndex - 1][0] : undefined) };
  });
  const order = el("select", { name: "order", "aria-label": "Order" },
    Object.keys(ORDERS).map((name) => el("option", { value: name }, name)));
  const apply = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = selects.map(({ of, chosen }) => [of, chosen()]).filter(([, value]) => value !== undefined);
    const left = jobs.filter((job) => chosen.every(([of, value]) => of(job) === value)
      && wanted.every((word) => textOf(job).includes(word)));
    changed(left.sort(ORDERS[order.value]));
  };
  let soon = 0;
  words.addEventListener("input", () => {
    clearTimeout(soon);
    soon = setTimeout(apply, 120);
  });
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  const draw = () => {
    const kept = new Map(selects.map(({ title, chosen }) => [title, chosen()]));
    selects = selectsOf(kept);
    form.replaceChildren(words, ...selects.map(({ select }) => select), order);
  };
  draw();
  apply();
  return () => {
    // Whoever is choosing right now is not disturbed.
    if (!form.contains(document.activeElement)) draw();
    apply();
  };
}

const cut = (text) => (text.length > 40 ? `${text.slice(0, 39)}…` : text);
