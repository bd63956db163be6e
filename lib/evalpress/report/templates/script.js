"use strict";
// The page is complete without this script. It names tables that scroll, opens the fold that a link leads into, and
// adds buttons: open all sections, copy a command, filter and sort a table.
(() => {
  const say = (text) => (typeof words === "undefined" ? text : words[text] ?? text);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };

  // Tables: one that is wider than its box scrolls inside it and is a region with a name of its own.
  const names = new Map();
  const nameOf = (box) => {
    const section = box.closest("section")?.querySelector("h2")?.firstChild?.textContent ?? "";
    const name = `${section}: ${box.querySelector("caption")?.textContent ?? say("table")}`;
    names.set(name, (names.get(name) ?? 0) + 1);
    return names.get(name) === 1 ? name : `${name} (${names.get(name)})`;
  };
  const fit = (box) => {
    const wide = box.firstElementChild.offsetWidth > box.clientWidth + 1;
    box.classList.toggle("ep-fits", !wide);
    for (const [key, value] of [["role", "region"], ["tabindex", "0"], ["aria-label", box.dataset.name]]) {
      if (wide) box.setAttribute(key, value);
      else box.removeAttribute(key);
    }
  };
  const sizes = new ResizeObserver((entries) => entries.forEach((entry) => fit(entry.target)));
  for (const box of all(".ep-table")) {
    box.dataset.name = nameOf(box);
    sizes.observe(box);
  }

  // Links: open every fold around the target, and the details of a row.
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    const more = target.matches("tr") && target.nextElementSibling?.querySelector("details");
    if (more) more.open = true;
    if (target.matches("h2")) {
      const section = target.closest("section")?.querySelector(".ep-fold");
      if (section) section.open = true;
    }
    target.scrollIntoView({ behavior: "instant" });
  };
  addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => {
    if (event.target.closest?.(`a[href="${location.hash}"]`) && location.hash) setTimeout(reveal);
  });

  // Printing shows everything.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("main details:not([open]), .ep-phone-contents:not([open])").map((fold) => [fold, fold.name]);
    for (const [fold] of closed) { fold.name = ""; fold.open = true; }
  });
  addEventListener("afterprint", () => {
    for (const [fold, name] of closed) { fold.open = false; fold.name = name; }
  });

  // Sections: open or close all.
  const sections = all(".ep-fold");
  if (sections.length) {
    const button = make("button", { type: "button", className: "ep-button" }, say("Open all sections"));
    button.addEventListener("click", () => {
      const open = sections.some((fold) => !fold.open);
      for (const fold of sections) fold.open = open;
    });
    const told = () => { button.textContent = sections.some((fold) => !fold.open) ? say("Open all sections") : say("Close all sections"); };
    for (const fold of sections) fold.addEventListener("toggle", told);
    document.querySelector(".ep-view")?.append(button);
  }

  // Commands: a button that copies one.
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = make("textarea", { value: text, readOnly: true, className: "ep-hidden" });
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  };
  for (const block of all("pre.ep-block:not(.ep-code)")) {
    const button = make("button", { type: "button", className: "ep-button ep-copy" }, say("Copy"));
    button.addEventListener("click", async () => {
      button.textContent = (await copy(block.textContent.trimEnd())) ? say("Copied") : say("Select it and copy");
      setTimeout(() => { button.textContent = say("Copy"); }, 2000);
    });
    const box = make("div", { className: "ep-copied" });
    block.replaceWith(box);
    box.append(block, button);
  }

  // Tables with tools. A row and its details move and hide together.
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const textOf = (cell) => cell.textContent.replace(/#$/, "").trim();
  const rowsOf = (table) => all("tbody > tr:not(.ep-more)", table).map((row) => ({
    row, more: row.nextElementSibling?.matches(".ep-more") ? row.nextElementSibling : null,
  }));

  const sortable = (table) => {
    all("thead th", table).forEach((head) => {
      const button = make("button", { type: "button", className: "ep-sort" }, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of all("thead th", table)) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const key = ({ row }) => textOf(row.cells[head.cellIndex]);
        const sorted = rowsOf(table).sort((a, b) => (up ? 1 : -1) * collator.compare(key(a), key(b)));
        table.tBodies[0].append(...sorted.flatMap(({ row, more }) => (more ? [row, more] : [row])));
      });
    });
  };

  const filtered = (tools) => {
    const tables = all("table", tools);
    const rows = tables.flatMap(rowsOf);
    const fold = tools.querySelector(".ep-rows");
    const bar = make("div", { className: "ep-bar" });
    const told = make("output", {});
    const picks = all("thead th[data-choose]", tables[0]).map((head) => {
      const column = head.cellIndex;
      const values = [...new Set(rows.map(({ row }) => textOf(row.cells[column])))];
      const select = make("select", {}, make("option", { value: "" }, say("all")));
      const passing = fold && new Set(rowsOf(fold).map(({ row }) => textOf(row.cells[column])));
      const open = values.filter((value) => !passing?.has(value));
      if (passing?.size === 1 && open.length > 1) select.append(make("option", { value: "*" }, say("not {value}").replace("{value}", [...passing][0])));
      select.append(...values.sort(collator.compare).map((value) => make("option", { value }, value)));
      bar.append(make("label", {}, `${head.dataset.choose} `, select));
      return { select, shows: (row) => {
        const value = textOf(row.cells[column]);
        return select.value === "" || (select.value === "*" ? !passing.has(value) : value === select.value);
      } };
    });
    const apply = () => {
      let count = 0;
      for (const { row, more } of rows) {
        const shown = picks.every((pick) => pick.shows(row));
        count += shown;
        row.hidden = !shown;
        if (more) more.hidden = !shown;
      }
      if (fold) {
        const inside = rowsOf(fold).filter(({ row }) => !row.hidden).length;
        fold.hidden = inside === 0;
        if (picks.some(({ select }) => select.value)) fold.open = inside > 0;
      }
      told.textContent = say("{count} of {rows} shown").replace("{count}", count).replace("{rows}", rows.length);
    };
    for (const { select } of picks) select.addEventListener("change", apply);
    bar.append(told);
    tools.prepend(bar);
    apply();
  };
  for (const tools of all(".ep-tools")) {
    all("table", tools).forEach(sortable);
    filtered(tools);
  }
  reveal();
})();
