// The page from its data.

function head(batch, counts) {
  document.title = `${batch.name} · nightreel`;
  byId("name").textContent = batch.name;
  const when = batch.first_at ? ` · ${moment(Date.parse(batch.first_at))} to ${moment(Date.parse(batch.last_at))}` : "";
  byId("about").textContent = `${batch.manifest} · ${batch.simulated ? "simulated, no money was spent" : batch.api}${when}`;
  const spent = micros(batch.money.committed) + micros(batch.money.reserved) + micros(batch.money.unknown);
  const budget = batch.money.budget ? `of ${money(batch.money.budget)}` : "no budget";
  const failed = ["failed", "invalid", "lost_output", "quarantined"].reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  const list = [
    ["done", number(counts.done ?? 0), `of ${number(batch.total)}`],
    ["spent", money(dollars(spent)), budget],
    ["not done", failed > 0 && number(failed), "see below"],
    ["unknown outcomes", (counts.unknown ?? 0) > 0 && number(counts.unknown), micros(batch.money.unknown) > 0 ? `${money(batch.money.unknown)} at stake` : "see below"],
    ["took", batch.first_at && span(Date.parse(batch.last_at) - Date.parse(batch.first_at)), many(batch.attempts, "attempt")],
    ["files", batch.files > 0 && number(batch.files), size(batch.bytes)],
  ];
  byId("figures").replaceChildren(...list.filter(([, value]) => value).map(([name, value, more]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value, " ", el("small", {}, more)))));
  const states = Object.keys(STATES).filter((state) => counts[state] > 0);
  const bar = byId("bar");
  bar.setAttribute("aria-label", states.map((state) => `${number(counts[state])} ${stateName(state)}`).join(", "));
  bar.replaceChildren(...states.map((state) => el("i", {
    class: `is-${state}`, style: { flex: String(counts[state]) }, title: `${number(counts[state])} ${stateName(state)}`,
  })));
}

function cause({ state, class: name, jobs, messages, steps }) {
  const said = messages.map(([text, times]) => el("blockquote", {}, text, jobs > 1 ? ` (${many(times, "job")})` : ""));
  const todo = steps.filter((step) => step.commands.length > 0)
    .map((step) => el("div", { class: "step" }, el("p", {}, step.says), step.commands.map(command)));
  return el("article", { class: `cause is-${state}`, "data-state": state, "data-class": name },
    el("h3", {}, `${many(jobs, "job")} ${stateName(state)}${name ? `: ${name.replaceAll("_", " ")}` : ""}`), said, todo);
}

/** Draws the page; what it returns brings news into it. */
function start(data, acts = () => []) {
  const { batch, jobs } = data;
  const places = new Map(jobs.map((job, at) => [job.id, at]));
  const chosen = new Set();
  const tray = byId("tray");
  const trayShown = () => {
    tray.hidden = chosen.size === 0;
    tray.replaceChildren(
      el("button", { type: "button", disabled: chosen.size < 2, click: () => openBeside([...chosen].map((id) => jobs[places.get(id)])) }, `Compare ${chosen.size}`),
      el("button", { type: "button", click: () => { chosen.clear(); trayShown(); gallery.renew(); } }, "Clear"));
  };
  const gallery = new Gallery(byId("grid"), {
    picked: (job) => chosen.has(job.id),
    pick: (job, is) => {
      if (is && chosen.size < BESIDE) chosen.add(job.id);
      else chosen.delete(job.id);
      trayShown();
      return chosen.has(job.id);
    },
    open: (job, list, at) => openDetail(list, at, {
      variants: (it) => (it.prompt ? jobs.filter((other) => other.prompt === it.prompt) : []), beside: openBeside, acts,
    }),
  });
  let total = batch.total;
  const refilter = filters(byId("filters"), jobs, (left) => {
    const more = total - jobs.length;
    byId("count").textContent = `${number(left.length)} of ${many(jobs.length, "job")}`
      + (more > 0 ? `; ${number(more)} more are not on this page: nightreel list ${batch.name}` : "");
    gallery.show(left);
  });
  const figures = (now) => {
    head(now, now.jobs);
    total = now.total;
    byId("gallery").hidden = jobs.length === 0;
  };
  const pictures = ({ batch: now, night, trouble }) => {
    byId("causes").replaceChildren(...trouble.map(cause));
    byId("trouble").hidden = trouble.length === 0;
    const drawn = charts({ batch: now, night, jobs });
    byId("charts").replaceChildren(...drawn);
    byId("night").hidden = drawn.length === 0;
  };
  figures(batch);
  pictures(data);
  return {
    figures,
    pictures,
    /** Jobs as they are now, and new ones. */
    jobs(news) {
      let changed = false;
      for (const job of news) {
        const at = places.get(job.id);
        // The same moment is the same job: what is known already disturbs nobody.
        if (at !== undefined && jobs[at].at === job.at && jobs[at].state === job.state) continue;
        if (at === undefined) places.set(job.id, jobs.push(job) - 1);
        else jobs[at] = job;
        changed = true;
      }
      if (changed) refilter();
    },
  };
}
