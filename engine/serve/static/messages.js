// What the page tells people, where screen readers hear it too: one line of state, and one of what went wrong.

import { Refused } from "./server.js";

const $ = (id) => document.getElementById(id);

/** Says something in the line of state; nothing hides the line. */
export function say(text) {
  $("status").textContent = text;
  $("notice").hidden = !text;
}

/** Says something that is heard, and not shown as it is seen anyway. */
export function sayUnseen(text) {
  $("status").textContent = text;
}

/** Shows what went wrong, until it is dismissed or something else begins. */
export function complain(error) {
  if (!(error instanceof Refused)) console.error(error);
  $("alert").firstElementChild.textContent = error.message;
  $("alert").hidden = false;
  say("");
}

export function dismiss() {
  $("alert").hidden = true;
}

/** What the network does next, as the server tells it, and the seconds left if it does; `which` photo, of several. */
export function sayStep({ scale, done, windows, left }, which = "") {
  const where = scale === 1 ? "" : ` at 1/${scale} of the resolution`;
  const share = done ? `, ${done} of ${windows} windows` : "";
  const time = left >= 1 ? `, about ${timeOf(left)} left` : "";
  say(`Completing${which && ` ${which}`}${where}${share}${time}…`);
}

const timeOf = (seconds) => (seconds < 100 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`);

/** How a completion went, which took so many milliseconds. */
export function sayCompleted({ variant, widened, warnings }, took) {
  const which = variant ? `, variant ${variant + 1}` : "";
  const said = `Completed in ${(took / 1000).toFixed(1)} s${which}${widenedBy(widened)}.`;
  say([said, ...warnings.map((warning) => `Note: ${warning}.`)].join(" "));
}

function widenedBy(widened) {
  if (!widened.length) return "";
  const [least, most] = [Math.min(...widened), Math.max(...widened)];
  return `, widened by ${least === most ? "" : `${least} to `}${most} pixels`;
}
