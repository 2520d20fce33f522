// Pictures of the night: what was in flight, what was finished, how long it took, what it cost.

const WIDE = 480;
const HIGH = 170;
const LEFT = 46;
const FOOT = 22;
const HEAD = 8;

/** Round numbers up to `most`, about four of them. */
function marks(most) {
  const rough = Math.max(most, 1e-9) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((it) => it >= rough);
  const list = [];
  for (let at = 0; at <= most + step * 0.001; at += step) list.push(at);
  return list;
}

/**
 * A chart of evenly spaced values: `kind` is "area", "line" or "bars", `limit` a line across it,
 * `say` what is told of one place.
 */
function chart({ title, tone, kind, values, limit, label, under, say, summary }) {
  const most = Math.max(...values, limit ?? 0, 1e-9) * 1.06;
  const count = values.length;
  const x = (at) => LEFT + (at / count) * (WIDE - LEFT - 6);
  const y = (value) => HEAD + (1 - value / most) * (HIGH - HEAD - FOOT);
  const svg = draw("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `${title}. ${summary}` });
  for (const at of marks(most / 1.06)) {
    svg.append(draw("line", { class: "grid", x1: LEFT, x2: WIDE - 6, y1: y(at), y2: y(at) }));
    svg.append(draw("text", { x: LEFT - 6, y: y(at) + 4, "text-anchor": "end" }, label(at)));
  }
  const every = Math.max(1, Math.ceil(count / 5));
  for (let at = 0; at < count; at += every) {
    svg.append(draw("text", { x: x(at), y: HIGH - 6, "text-anchor": at === 0 ? "start" : "middle" }, under(at)));
  }
  if (kind === "bars") {
    const width = Math.max(0.75, (WIDE - LEFT - 6) / count - (count > 80 ? 0 : 1.5));
    values.forEach((value, at) => {
      if (value > 0) svg.append(draw("rect", { class: "block", x: x(at), y: y(value), width, height: y(0) - y(value) }));
    });
  } else {
    const steps = values.map((value, at) => `H${x(at).toFixed(1)}V${y(value).toFixed(1)}`).join("");
    const path = `M${LEFT},${y(values[0]).toFixed(1)}${steps}H${x(count).toFixed(1)}`;
    if (kind === "area") svg.append(draw("path", { class: "area", d: `${path}V${y(0)}H${LEFT}Z` }));
    svg.append(draw("path", { class: "stroke", d: path }));
  }
  if (limit !== undefined) svg.append(draw("line", { class: "limit", x1: LEFT, x2: WIDE - 6, y1: y(limit), y2: y(limit) }));
  const hair = draw("line", { class: "hair", y1: HEAD, y2: HIGH - FOOT, visibility: "hidden" });
  svg.append(hair);
  const told = el("output", {}, summary);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const at = Math.floor((((event.clientX - box.left) / box.width) * WIDE - LEFT) / ((WIDE - LEFT - 6) / count));
    if (at < 0 || at >= count) return;
    hair.setAttribute("visibility", "visible");
    hair.setAttribute("x1", x(at + 0.5));
    hair.setAttribute("x2", x(at + 0.5));
    told.textContent = say(at, values[at]);
  });
  svg.addEventListener("pointerleave", () => {
    hair.setAttribute("visibility", "hidden");
    told.textContent = summary;
  });
  return el("figure", { class: `tone-${tone}` }, el("figcaption", {}, el("h3", {}, title), told), svg);
}

/** Every stretch of the night, also those in which nothing happened. */
function stretches(night) {
  const last = night.bins.length ? night.bins[night.bins.length - 1][0] : 0;
  const list = { flight: [], done: [], spent: [] };
  let [flight, spent, next] = [0, 0, 0];
  for (let at = 0; at <= last; at += 1) {
    let [ended, done] = [0, 0];
    if (next < night.bins.length && night.bins[next][0] === at) {
      const [, accepted, over, finished, money] = night.bins[next];
      flight += accepted;
      [ended, done, spent] = [over, finished, micros(money)];
      next += 1;
    }
    // What was there at its end: a sample, not a sum.
    flight = Math.max(0, flight - ended);
    list.flight.push(flight);
    list.done.push(done);
    list.spent.push(spent);
  }
  return list;
}

const portion = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];

function latencies(times) {
  const sorted = [...times].sort((a, b) => a - b);
  const [median, slow, most] = [portion(sorted, 0.5), portion(sorted, 0.9), portion(sorted, 0.99)];
  const step = Math.max(1, (most * 1.02) / 30);
  const bins = new Array(30).fill(0);
  for (const time of sorted) bins[Math.min(29, Math.floor(time / step))] += 1;
  return chart({
    title: "Time to generate", tone: "time", kind: "bars", values: bins, label: number,
    under: (at) => span(at * step),
    say: (at, value) => `${span(at * step)} to ${at === 29 ? "the longest" : span((at + 1) * step)}: ${many(value, "job")}`,
    summary: `median ${span(median)}, nine of ten within ${span(slow)}`,
  });
}

/** The pictures that there is something to show for. */
function charts(data) {
  const list = [];
  if (data.night && data.night.bins.length > 0) {
    const from = Date.parse(data.night.from);
    const step = data.night.step_ms;
    const all = stretches(data.night);
    const under = (at) => clockOf(from + at * step, step < 60000);
    const each = (at) => `${under(at)}, ${span(step)}`;
    const budget = data.batch.money.budget;
    list.push(chart({
      title: "In flight", tone: "flight", kind: "area", values: all.flight, label: number, under,
      say: (at, value) => `${under(at)}: ${number(value)} in flight`,
      summary: `at most ${number(Math.max(...all.flight))} at once`,
    }));
    list.push(chart({
      title: `Finished in ${span(step)}`, tone: "done", kind: "bars", values: all.done, label: number, under,
      say: (at, value) => `${each(at)}: ${many(value, "job")}`,
      summary: `${many(all.done.reduce((sum, it) => sum + it, 0), "job")} in ${span(all.done.length * step)}`,
    }));
    list.push(chart({
      title: "Money", tone: "money", kind: "line", values: all.spent, limit: budget ? micros(budget) : undefined,
      label: (value) => money(dollars(value)), under,
      say: (at, value) => `${under(at)}: ${money(dollars(value))}`,
      summary: `${money(dollars(all.spent[all.spent.length - 1]))}${budget ? ` of ${money(budget)}` : ""}`,
    }));
  }
  const times = data.jobs.flatMap((job) => (job.ms === undefined ? [] : [job.ms]));
  if (times.length > 1) list.push(latencies(times));
  return list;
}
