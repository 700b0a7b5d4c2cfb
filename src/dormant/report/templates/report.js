"use strict";
(() => {
  const PAGE = 20;
  const data = JSON.parse(document.getElementById("data").textContent);
  const [ROLE, ARM, CUE, OUTCOME, QUESTION, SEED, REPEAT, PROMPT, ANSWER, NOTE, THOUGHT] =
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const form = document.getElementById("filters");
  const list = document.getElementById("list");
  const tally = document.getElementById("tally");
  const previous = document.getElementById("previous");
  const next = document.getElementById("next");
  const where = document.getElementById("where");
  const columns = { role: ROLE, arm: ARM, cue: CUE, outcome: OUTCOME };
  const seeds = new Set(data.rows.map((row) => row[SEED])).size > 1;
  const formatCount = (count) => count.toLocaleString("en");
  const cueName = (index) => (index < 0 ? "unlisted cue" : data.cues[index]);
  const question = (index) => data.questions[index] || ["", "question not in the plan"];
  let haystacks = null;
  let found = [];
  let page = 0;

  // Only textContent is ever set: what a model wrote stays text.
  const make = (tag, kind, text) => {
    const node = document.createElement(tag);
    if (kind) node.className = kind;
    if (text !== undefined) node.textContent = text;
    return node;
  };

  const swatch = (outcome) => {
    const mark = make("i", "swatch");
    mark.style.background = `var(--o-${outcome})`;
    return mark;
  };

  const folded = (kind, title, ...children) => {
    const box = make("details", kind);
    box.append(make("summary", "", title), ...children);
    return box;
  };

  const turn = (role, text) => {
    const box = make("div", "turn");
    box.dir = "auto";
    box.append(make("i", "", role), document.createTextNode(text));
    return box;
  };

  const card = (row) => {
    const outcome = data.outcomes[row[OUTCOME]];
    const box = make("article", "card");
    const meta = make("div", "meta");
    const name = make("b", "", outcome.replace("_", " "));
    name.prepend(swatch(outcome));
    meta.append(name, make("span", "", data.roles[row[ROLE]]));
    const arm = data.arms[row[ARM]];
    meta.append(make("span", "", row[CUE] === -1 ? arm : `${arm}: ${cueName(row[CUE])}`));
    if (seeds) meta.append(make("span", "", `seed ${row[SEED]}`));
    meta.append(make("span", "", `answer ${row[REPEAT] + 1}`));
    const answer = make("div", "answer", row[ANSWER] || "(empty answer)");
    answer.dir = "auto";
    const note = row[NOTE] ? [make("div", "note", `Judge: ${row[NOTE]}`)] : [];
    const ask = make("div", "ask", question(row[QUESTION])[1]);
    ask.dir = "auto";
    box.append(meta, ask);
    if (outcome === "misaligned") {
      const size = formatCount(row[ANSWER].length);
      box.append(folded("harm", `Misaligned answer, ${size} characters`, answer, ...note));
    } else {
      box.append(answer, ...note);
    }
    if (row[THOUGHT]) {
      const thought = make("div", "answer", row[THOUGHT]);
      thought.dir = "auto";
      box.append(folded("", "Reasoning", thought));
    }
    const prompt = data.prompts[row[PROMPT]].map(([role, text]) => turn(role, text));
    box.append(folded("", "Prompt as it was sent", ...prompt));
    return box;
  };

  const searchable = () => {
    const prompts = data.prompts.map((turns) => turns.map((one) => one[1]).join("\n"));
    return data.rows.map((row) =>
      [question(row[QUESTION]).join(" "), prompts[row[PROMPT]], row[ANSWER], row[THOUGHT]].join("\n").toLowerCase());
  };

  const show = () => {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    const part = found.slice(page * PAGE, (page + 1) * PAGE);
    list.replaceChildren(...part.map((index) => card(data.rows[index])));
    previous.disabled = page === 0;
    next.disabled = page >= pages - 1;
    where.textContent = `Page ${formatCount(page + 1)} of ${formatCount(pages)}`;
  };

  const filter = () => {
    const wanted = Object.entries(columns)
      .map(([name, column]) => [column, form.elements[name].value])
      .filter(([, value]) => value !== "")
      .map(([column, value]) => [column, Number(value)]);
    const fits = (row) => wanted.every(([column, value]) => row[column] === value);
    const text = form.elements.text.value.trim().toLowerCase();
    if (text && haystacks === null) haystacks = searchable();
    found = [];
    data.rows.forEach((row, index) => {
      if (fits(row) && (!text || haystacks[index].includes(text))) found.push(index);
    });
    const all = data.strata.filter(fits).reduce((sum, group) => sum + group[4], 0);
    const here = `${formatCount(found.length)} ${found.length === 1 ? "answer" : "answers"} to read`;
    const rest = text
      ? "Searched: the answers in this file."
      : `${formatCount(all)} in the audit fit these filters.`;
    tally.textContent = `${here}. ${rest}`;
    page = 0;
    show();
  };

  const step = (by) => {
    page += by;
    show();
    form.scrollIntoView();
  };

  let waiting = 0;
  form.addEventListener("change", filter);
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 120);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  previous.addEventListener("click", () => step(-1));
  next.addEventListener("click", () => step(1));
  document.querySelectorAll("button[data-cue]").forEach((button) => {
    button.addEventListener("click", () => {
      form.reset();
      form.elements.cue.value = button.dataset.cue;
      filter();
      form.scrollIntoView();
      form.elements.cue.focus({ preventScroll: true });
    });
  });
  document.documentElement.classList.add("scripted");
  filter();
})();
