// The token of a server that asks for one: typed once, kept until the tab is closed, and sent with every request.

const KEY = "token";

let asking = null; // the answer that is awaited, so that two requests ask once

/** `options` of a fetch, with the token if there is one. */
export function withToken(options = {}) {
  const token = sessionStorage.getItem(KEY);
  return token ? { ...options, headers: { Authorization: `Bearer ${token}` } } : options;
}

/** Asks for the token, after the server has refused what was sent: true once there is one, false if it is not told. */
export function askForToken() {
  asking ??= new Promise((answer) => {
    const dialog = document.getElementById("token-dialog");
    const input = document.getElementById("token");
    document.getElementById("token-wrong").hidden = sessionStorage.getItem(KEY) === null;
    sessionStorage.removeItem(KEY);
    input.value = dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      asking = null;
      const token = dialog.returnValue === "send" && /^[!-~]+$/.test(input.value.trim()) ? input.value.trim() : "";
      if (token) sessionStorage.setItem(KEY, token);
      input.value = "";
      answer(token !== "");
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}
