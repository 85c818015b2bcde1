// Mouse, pen and touch on the stage: one pointer paints (or moves the photo), two fingers zoom and move it.

/**
 * `painter` has start(point, otherwise), extend(point), finish() and abandon(), with points in the photo's pixels and
 * whether Alt is held, `pans()`, which says whether one pointer moves the photo now, and hover(event) for where the pointer is, or null where it left.
 */
export function listen(stage, view, painter) {
  const down = new Map(); // pointers on the stage, by id
  let doing = null; // "paint", "pan" or "pinch"

  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.target.closest("#comparison")) return;
    stage.setPointerCapture(event.pointerId);
    const at = place(event);
    down.set(event.pointerId, at);
    if (down.size === 2) {
      if (doing === "paint") painter.abandon(); // the first of two fingers was no brush
      doing = "pinch";
    } else if (down.size === 1) {
      doing = event.button === 1 || painter.pans() ? "pan" : event.button === 0 ? "paint" : null;
      if (doing === "paint") painter.start(view.toPhoto(at.x, at.y), event.altKey);
    }
    stage.classList.toggle("grabbing", doing === "pan");
    if (event.button === 1) event.preventDefault(); // the browser's own scrolling with the middle button
  });

  stage.addEventListener("pointermove", (event) => {
    painter.hover(event.pointerType === "touch" ? null : place(event));
    const before = down.get(event.pointerId);
    if (!before) return;
    const at = place(event);
    if (doing === "paint") {
      // Between two frames a fast pen is at many places, of which the event itself is the last.
      const steps = event.getCoalescedEvents?.() ?? [];
      for (const step of steps.length ? steps.map(place) : [at]) painter.extend(view.toPhoto(step.x, step.y));
    } else if (doing === "pan") {
      view.pan(at.x - before.x, at.y - before.y);
    } else if (doing === "pinch" && down.size === 2) {
      const [other] = [...down].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      const apart = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
      view.pan((at.x - before.x) / 2, (at.y - before.y) / 2);
      view.zoom(apart(at) / apart(before), (at.x + other.x) / 2, (at.y + other.y) / 2);
    }
    down.set(event.pointerId, at);
  });

  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    if (doing === "paint") event.type === "pointerup" ? painter.finish() : painter.abandon();
    if (doing !== "pinch" || down.size === 0) doing = null; // a finger that is left of two does not paint
    stage.classList.remove("grabbing");
  };
  stage.addEventListener("pointerup", up);
  stage.addEventListener("pointercancel", up);
  stage.addEventListener("pointerleave", () => painter.hover(null));
}
