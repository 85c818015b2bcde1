// The keyboard: everything that the page does, without a pointer.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FAR = 5; // times as far does the brush move with Shift

/** `singleKeys()` says whether keys without Ctrl work, which those who speak to their computer turn off. */
export function listenToKeys({ stage, singleKeys, isOpen, hold, actions }) {
  const withControl = {
    enter: actions.complete,
    z: actions.undo,
    y: actions.redo,
    s: actions.download,
  };
  const single = {
    b: () => actions.setTool("brush"),
    e: () => actions.setTool("eraser"),
    r: () => actions.setTool("rectangle"),
    s: () => actions.setTool("select"),
    l: () => actions.setTool("lasso"),
    n: () => actions.setTool("avoid"),
    f: () => actions.setTool("sample"),
    x: actions.clearAreas,
    d: actions.toggleSubtract,
    g: () => actions.grow(1),
    k: () => actions.grow(-1),
    w: actions.addShadow,
    h: () => actions.setTool("hand"),
    "[": () => actions.resize(0.85),
    "]": () => actions.resize(1 / 0.85),
    "+": () => actions.zoom(1.25),
    "=": () => actions.zoom(1.25),
    "-": () => actions.zoom(0.8),
    0: actions.fit,
    1: actions.ownPixels,
    a: actions.another,
    c: actions.compare,
    v: () => actions.look(true),
    o: actions.open,
    "?": actions.help,
  };

  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.altKey) return;
    const key = event.key.toLowerCase();
    const onStage = event.target === stage && isOpen();
    let action = null;
    if (event.ctrlKey || event.metaKey) action = key === "z" && event.shiftKey ? actions.redo : withControl[key];
    else if (key === "escape") action = actions.cancel;
    else if (key === "pagedown" || key === "pageup") action = () => actions.step(key === "pagedown" ? 1 : -1);
    else if (onStage && key === "enter") action = actions.pressKey;
    else if (onStage && event.key in ARROWS) {
      const [dx, dy] = ARROWS[event.key].map((step) => step * (event.shiftKey ? FAR : 1));
      action = () => actions.moveKey(dx, dy);
    } else if (onStage && key === " ") action = () => hold(true);
    else if (singleKeys() && !event.target.matches("input[type=number]")) action = single[key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  document.addEventListener("keyup", (event) => {
    if (event.key === " ") hold(false);
    if (event.key.toLowerCase() === "v") actions.look(false);
  });
  addEventListener("blur", () => actions.look(false)); // where a key that is let go is not heard
}
