// The queue: choosing many, processing them with progress, and the keyboard.
"use strict";
(() => {
  const actions = one("#actions"), words = one("#chosen-words"), progress = one("#progress");
  const AT_ONCE = 50;
  let busy = false;

  const events = () => all("#events > .event");
  const boxes = () => all("#events .choose");
  const chosen = () => boxes().filter((box) => box.checked);
  const current = () => one("#events > .current");

  function show() {
    const count = chosen().length;
    if (!busy) actions.hidden = count === 0;
    if (!busy) words.textContent = count === 1 ? "1 event chosen" : `${count} events chosen`;
    const every = one("#choose-all");
    if (every) { every.checked = count > 0 && count === boxes().length; every.indeterminate = count > 0 && !every.checked; }
  }

  async function send(url, fields) {
    const token = JSON.parse(document.body.getAttribute("hx-headers"));
    const response = await fetch(url, { method: "POST", headers: token, body: new URLSearchParams([...fields, ["script", "1"]]), redirect: "error" });
    if (!response.ok) throw new Error(response.status < 500 ? "Load the page again, then repeat." : "The console is not well; try again.");
    return response.json();
  }

  async function work(total, step) {
    if (busy) return;
    busy = true;
    actions.hidden = progress.hidden = false;
    all("button", actions).forEach((button) => { button.disabled = true; });
    progress.max = Math.max(1, total);
    progress.value = 0;
    let done = 0;
    const skipped = [];
    try {
      for (;;) {
        words.textContent = `${done} of ${total} sent on`;
        const answer = await step();
        if (!answer) break;
        done += answer.approved;
        skipped.push(...answer.skipped);
        progress.value = done + skipped.length;
        if (answer.last) break;
      }
      toast(`${done} sent on${skipped.length ? `; ${skipped.length} left: ${skipped[0]}` : ""}`);
    } catch (error) {
      toast(`${done} sent on, then it stopped: ${error.message}`, true);
    }
    busy = false;
    progress.hidden = true;
    all("button", actions).forEach((button) => { button.disabled = false; });
    boxes().forEach((box) => { box.checked = false; });
    htmx.trigger(document.body, "refresh");
    show();
  }

  function approveChosen() {
    const ids = chosen().map((box) => box.value);
    return work(ids.length, async () => {
      const some = ids.splice(0, AT_ONCE);
      return some.length ? send(actions.dataset.approve, some.map((id) => ["id", id])) : null;
    });
  }

  function approveAll(button) {
    const filter = [...new URLSearchParams(button.dataset.filter)];
    return work(Number(button.dataset.count), async () => {
      const answer = await send(actions.dataset.approveNext, filter);
      return { ...answer, last: answer.left <= 0 || answer.approved === 0 };
    });
  }

  function move(step) {
    const list = events();
    if (!list.length) return;
    const next = list[Math.min(list.length - 1, Math.max(0, list.indexOf(current()) + step))] ?? list[0];
    current()?.classList.remove("current");
    next.classList.add("current");
    (one(".choose", next) ?? one("a", next)).focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("change", (event) => {
    if (event.target.id === "choose-all") boxes().forEach((box) => { box.checked = event.target.checked; });
    if (event.target.matches(".choose, #choose-all")) show();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.id === "approve-chosen") approveChosen();
    if (button.id === "choose-none") { boxes().forEach((box) => { box.checked = false; }); show(); }
    if (button.matches("[data-shortcuts]")) one("#shortcuts").showModal();
    if (button.id === "approve-all") {
      const dialog = one("#confirm");
      one("#confirm-words").textContent = `Send all ${button.dataset.count} events that wait, and have a type, on to the rules?`;
      one("#confirm-yes").textContent = "Process all";
      dialog.returnValue = "no";
      dialog.onclose = () => { if (dialog.returnValue === "yes") approveAll(button); };
      dialog.showModal();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
    if (event.target.matches("input:not([type=checkbox]), select, textarea")) return;
    const at = current();
    switch (event.key) {
      case "j": move(1); break;
      case "k": move(-1); break;
      case "x": if (at) one(".choose", at)?.click(); break;
      case "a": if (chosen().length) approveChosen(); else if (at) one("[data-approve-one]", at)?.click(); break;
      case "p": if (at) one("[data-person]", at)?.click(); break;
      case "o": if (at) { const payload = one(".payload", at); payload.open = !payload.open; } break;
      case "?": one("#shortcuts").showModal(); break;
      default: return;
    }
    event.preventDefault();
  });
  document.addEventListener("live", show);
})();
