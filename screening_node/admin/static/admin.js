// Small things that need a script: zoom and pan of the film, showing where a region lies, choosing all rows, and not
// refreshing a table while rows are chosen.
"use strict";

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id === "rows" && event.target.querySelector("input:checked, details[open]")) event.preventDefault();
});
const showAll = () => { for (const box of document.querySelectorAll("[data-all]")) box.hidden = false; };
document.addEventListener("htmx:afterSwap", showAll);
showAll();
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-all]")) return;
  for (const box of event.target.closest("table").querySelectorAll("input[name=alert]")) box.checked = event.target.checked;
});

const regions = document.querySelectorAll("[data-region]");
let pinned = null;
const light = (name) => {
  for (const part of regions) part.classList.toggle("lit", part.dataset.region === (name ?? pinned));
};
for (const part of regions) {
  const name = part.dataset.region;
  part.addEventListener("pointerenter", () => light(name));
  part.addEventListener("pointerleave", () => light(null));
  part.addEventListener("focusin", () => light(name));
  part.addEventListener("focusout", () => light(null));
}
for (const button of document.querySelectorAll("button.region")) {
  button.addEventListener("click", () => {
    const name = button.closest("[data-region]").dataset.region;
    pinned = pinned === name ? null : name;
    for (const other of document.querySelectorAll("button.region")) other.ariaPressed = String(other.closest("[data-region]").dataset.region === pinned);
    light(null);
  });
}

const viewport = document.getElementById("viewport");
if (viewport) {
  const picture = document.getElementById("picture");
  const controls = document.querySelector(".zoom");
  let scale = 1, x = 0, y = 0, held = null;

  const draw = () => {
    const width = viewport.clientWidth, height = viewport.clientHeight;
    x = Math.min(0, Math.max(width * (1 - scale), x));
    y = Math.min(0, Math.max(height * (1 - scale), y));
    picture.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    viewport.classList.toggle("zoomed", scale > 1);
  };
  const zoom = (factor, atX = viewport.clientWidth / 2, atY = viewport.clientHeight / 2) => {
    const next = Math.min(8, Math.max(1, scale * factor));
    x = atX - (atX - x) * (next / scale);
    y = atY - (atY - y) * (next / scale);
    scale = next;
    draw();
  };
  const fit = () => { scale = 1; x = 0; y = 0; draw(); };
  const move = (dx, dy) => { x += dx; y += dy; draw(); };

  controls.hidden = false;
  controls.addEventListener("click", (event) => {
    const what = event.target.dataset.zoom;
    if (what === "in") zoom(1.4);
    if (what === "out") zoom(1 / 1.4);
    if (what === "fit") fit();
  });
  viewport.addEventListener("keydown", (event) => {
    const keys = {
      "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), "0": fit,
      ArrowLeft: () => move(60, 0), ArrowRight: () => move(-60, 0),
      ArrowUp: () => move(0, 60), ArrowDown: () => move(0, -60),
    };
    const does = keys[event.key];
    if (!does || event.ctrlKey || event.metaKey || (scale === 1 && event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    does();
  });
  viewport.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && scale === 1) return;
    event.preventDefault();
    const box = viewport.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  viewport.addEventListener("dblclick", (event) => {
    const box = viewport.getBoundingClientRect();
    if (scale > 1) fit(); else zoom(2.5, event.clientX - box.left, event.clientY - box.top);
  });
  viewport.addEventListener("pointerdown", (event) => {
    if (scale === 1) return;
    held = { x: event.clientX, y: event.clientY };
    viewport.setPointerCapture(event.pointerId);
  });
  viewport.addEventListener("pointermove", (event) => {
    if (!held) return;
    move(event.clientX - held.x, event.clientY - held.y);
    held = { x: event.clientX, y: event.clientY };
  });
  viewport.addEventListener("pointerup", () => { held = null; });
  window.addEventListener("resize", draw);
}
