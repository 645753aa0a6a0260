// Behaviour that all pages share. Nothing here makes HTML out of text.
"use strict";

const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// ---- times: in the reader's zone, with the exact one on hover
const today = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const atMinute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const sameYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const longAgo = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const precise = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

function written(date) {
  const now = new Date();
  if (date.toDateString() === now.toDateString()) return (date % 60000 ? today : atMinute).format(date);
  return (date.getFullYear() === now.getFullYear() ? sameYear : longAgo).format(date);
}

function localise(within) {
  for (const element of all("time[datetime]", within)) {
    const date = new Date(element.dateTime);
    if (Number.isNaN(date.valueOf())) continue;
    element.textContent = written(date);
    element.title = `${precise.format(date)}\n${element.dateTime}`;
  }
}

// What is written into a field for times is in the reader's zone, and sent in UTC under the field's name.
function sendInUtc(field) {
  const sent = document.createElement("input");
  sent.type = "hidden";
  sent.name = field.name;
  sent.value = field.value && `${field.value}Z`;
  field.removeAttribute("name");
  const date = new Date(sent.value);
  if (!Number.isNaN(date.valueOf())) field.value = new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
  field.after(sent);
  field.addEventListener("input", () => { sent.value = field.value && new Date(field.value).toISOString(); });
}

// ---- live parts: only what changed is swapped, by the id of rows and pieces, so nothing jumps
const served = new WeakMap(); // element → its HTML as the server sent it

function remember(within) {
  for (const element of all("[data-part], [data-list] > [id]", within)) served.set(element, element.outerHTML);
}

function settle(element) {
  served.set(element, element.outerHTML);
  localise(element);
  htmx.process(element);
}

function replace(before, after) {
  const html = after.outerHTML;
  if (served.get(before) === html) return before;
  if (before.contains(document.activeElement) && document.activeElement.matches("select, input:not([type=checkbox]), textarea")) return before;
  const focused = before.contains(document.activeElement) ? place(document.activeElement, before) : null;
  const ticked = all("input[type=checkbox]:checked", before).map((box) => box.value);
  const unfolded = all("details", before).map((details) => details.open);
  const payload = one(".payload[open]", before);
  served.set(after, html);
  before.replaceWith(after);
  for (const box of all("input[type=checkbox]", after)) if (ticked.includes(box.value)) box.checked = true;
  all("details", after).forEach((details, index) => { if (index in unfolded) details.open = unfolded[index]; });
  if (payload) one(".payload", after)?.replaceWith(payload);
  if (before.classList.contains("current")) after.classList.add("current");
  localise(after);
  htmx.process(after);
  if (focused) find(focused, after)?.focus({ preventScroll: true });
  return after;
}

const place = (element, within) => all("a, button, input, select, summary", within).indexOf(element);
const find = (index, within) => all("a, button, input, select, summary", within)[index];

function mergeList(before, after) {
  // Whoever is about to press something must not find another row under the pointer.
  const isHeld = before.matches(":hover");
  let held = 0;
  const kept = new Map([...before.children].map((child) => [child.id, child]));
  let cursor = before.firstElementChild;
  for (const child of [...after.children]) {
    const known = kept.get(child.id);
    if (known) {
      kept.delete(child.id);
      if (cursor === known) cursor = cursor.nextElementSibling;
      const now = replace(known, child);
      if (now.nextElementSibling !== cursor) before.insertBefore(now, cursor);
    } else if (isHeld && cursor) {
      held += 1;
    } else {
      before.insertBefore(child, cursor);
      settle(child);
      child.classList.add("arrived");
    }
  }
  showHeld(before, held);
  for (const gone of kept.values()) gone.remove();
}

function showHeld(list, number) {
  one("#held")?.remove();
  if (!number) return;
  const words = document.createElement("p");
  words.id = "held";
  words.textContent = `${number} new, shown once the pointer is elsewhere`;
  one("#live").prepend(words);
  list.addEventListener("pointerleave", () => htmx.trigger(document.body, "refresh"), { once: true });
}

function shape(within) {
  return all("[data-part], [data-list]", within).map((element) => element.id).join(" ");
}

function mergeLive(target, fragment) {
  if (shape(target) !== shape(fragment) || !shape(target)) {
    target.replaceChildren(...fragment.childNodes);
    remember(target);
    localise(target);
    htmx.process(target);
    return;
  }
  for (const part of all("[data-part]", target)) {
    const after = one(`#${CSS.escape(part.id)}`, fragment);
    if (after) replace(part, after);
  }
  for (const list of all("[data-list]", target)) mergeList(list, one(`#${CSS.escape(list.id)}`, fragment));
  const navigation = one("nav.pages", target), newer = one("nav.pages", fragment);
  if (navigation && newer) navigation.replaceWith(newer);
}

function showBadge(within) {
  const told = one("template[data-badge]", within);
  const badge = one("#review-count");
  if (!told || !badge) return;
  const number = Number(told.dataset.badge);
  badge.hidden = !number;
  badge.firstChild.textContent = number < 1000 ? String(number) : "999+";
}

htmx.defineExtension("keyed", {
  isInlineSwap: (style) => style === "keyed",
  handleSwap: (style, target, fragment) => {
    if (style !== "keyed") return false;
    showBadge(fragment);
    mergeLive(target, fragment);
    document.dispatchEvent(new CustomEvent("live"));
    return [];
  },
});

document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.elt.id !== "live") return;
  if (document.hidden) event.preventDefault();
  event.detail.headers["X-Live-Version"] = one("#held") ? "held" : event.detail.elt.dataset.version;
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const version = event.detail.xhr.getResponseHeader("X-Live-Version");
  if (version) one("#live").dataset.version = version;
});

// ---- words that pass by
function toast(words, isWrong = false) {
  const paragraph = document.createElement("p");
  paragraph.className = isWrong ? "toast wrong" : "toast";
  paragraph.textContent = words;
  one("#toasts").append(paragraph);
  setTimeout(() => paragraph.remove(), isWrong ? 9000 : 5000);
}
document.addEventListener("htmx:load", (event) => localise(event.detail.elt));
document.addEventListener("toast", (event) => toast(event.detail.value));
document.addEventListener("htmx:responseError", (event) => {
  const { xhr, elt } = event.detail;
  if (elt.id === "live" && xhr.status >= 500) return; // it asks again by itself
  toast(xhr.responseText.slice(0, 300) || "That did not work", true);
  htmx.trigger(document.body, "refresh");
});
document.addEventListener("htmx:sendError", (event) => {
  if (event.detail.elt.id !== "live") toast("The console cannot be reached. Is the network there?", true);
});

// ---- destructive actions ask
let agreed = null;
document.addEventListener("submit", (event) => {
  const asking = event.submitter?.dataset.confirm ? event.submitter : event.target;
  const words = asking.dataset.confirm;
  if (!words || agreed === event.target) { agreed = null; return; }
  event.preventDefault();
  event.stopImmediatePropagation();
  const dialog = one("#confirm");
  one("#confirm-words").textContent = words;
  one("#confirm-yes").textContent = asking.dataset.yes || "Go on";
  dialog.returnValue = "no";
  dialog.onclose = () => {
    if (dialog.returnValue !== "yes") return;
    agreed = event.target;
    event.target.requestSubmit(event.submitter);
  };
  dialog.showModal();
}, true);

// ---- small things
document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    try {
      await navigator.clipboard.writeText(one(`#${CSS.escape(copy.dataset.copy)}`).textContent);
      toast("Copied");
    } catch {
      getSelection().selectAllChildren(one(`#${CSS.escape(copy.dataset.copy)}`));
      toast("Press Ctrl-C to copy");
    }
  }
  if (event.target.closest("[data-theme-switch]")) {
    const root = document.documentElement;
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* for this page only, then */ }
  }
});
document.addEventListener("toggle", (event) => {
  if (event.target.matches?.(".payload[open]")) htmx.trigger(one(".payload-body", event.target), "unfold");
}, true);

// ---- charts tell what is under the pointer
document.addEventListener("pointerover", (event) => {
  all(".tip").forEach((tip) => tip.remove());
  const hit = event.target.closest?.("rect.hit");
  if (!hit) return;
  const plot = hit.closest(".plot");
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.textContent = `${written(new Date(hit.dataset.at))}: ${hit.dataset.tip}`;
  plot.append(tip);
  const { left, width } = plot.getBoundingClientRect(), where = hit.getBoundingClientRect();
  const x = Math.min(Math.max(0, where.left - left - tip.offsetWidth / 2), width - tip.offsetWidth);
  tip.style.left = `${x}px`;
  tip.style.top = `${-tip.offsetHeight - 4}px`;
});

// ---- forms
function showChosen(form) {
  for (const select of all("[data-shows]", form)) {
    for (const part of all(`[data-shown^="${select.dataset.shows}="]`, form)) part.hidden = part.dataset.shown !== `${select.dataset.shows}=${select.value}`;
  }
}

function showScheme(form) {
  const select = one("[data-scheme-select]", form), scheme = select.value;
  for (const guide of all("[data-guide]", form)) guide.hidden = guide.dataset.guide !== scheme;
  const names = select.selectedOptions[0].dataset.settings.split(" ");
  for (const field of all("[data-setting]", form)) field.hidden = !names.includes(field.dataset.setting);
  one("[data-secret]", form).hidden = scheme === "none";
}

function showAction(fieldset) {
  const type = one("[data-action-type]", fieldset).value;
  for (const fields of all("[data-action-fields]", fieldset)) fields.hidden = fields.dataset.actionFields !== type;
}

let added = Date.now();
document.addEventListener("change", (event) => {
  const form = event.target.closest("form");
  if (event.target.matches("[data-shows]")) showChosen(form);
  if (event.target.matches("[data-scheme-select]")) showScheme(form);
  if (event.target.matches("[data-action-type]")) showAction(event.target.closest("[data-action]"));
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const action = button.closest("[data-action]");
  if (button.matches("[data-add-action]")) {
    const list = one("[data-actions]"), copy = one("#new-action").content.cloneNode(true);
    added += 1;
    for (const element of all("[id], [name], [for], [aria-describedby]", copy)) {
      for (const name of ["id", "name", "for", "aria-describedby"]) {
        if (element.hasAttribute(name)) element.setAttribute(name, element.getAttribute(name).replace("NEW", added));
      }
    }
    list.append(copy);
    showAction(list.lastElementChild);
    one("select", list.lastElementChild).focus();
  } else if (button.matches("[data-add]")) {
    const repeat = button.closest("[data-repeat]");
    one(".pairs", repeat).append(one("template", repeat).content.cloneNode(true));
    one(".pair:last-child input", repeat).focus();
  } else if (button.matches("[data-remove]")) {
    (action ?? button.closest(".pair")).remove();
  } else if (button.matches("[data-up]")) {
    action.previousElementSibling?.before(action);
  } else if (button.matches("[data-down]")) {
    action.nextElementSibling?.after(action);
  } else if (button.matches("[data-add-event]")) {
    const area = one("#events");
    if (!area.value.split(/[\s,]+/).includes(button.dataset.addEvent)) area.value = `${area.value.trim()}\n${button.dataset.addEvent}`.trim();
  }
});

remember(document);
localise(document);
all("[data-moment]").forEach(sendInUtc);
all("[data-zone]").forEach((words) => words.remove());
all("[data-choices]").forEach(showChosen);
all("[data-scheme-form]").forEach(showScheme);
all("[data-action]").forEach(showAction);
one("#problem")?.focus();
setTimeout(() => all("#toasts .toast").forEach((words) => words.remove()), 6000);
