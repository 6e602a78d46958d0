// Log in, register, deposit.

import { ApiError } from "./api.js";
import { grouped } from "./decimal.js";
import { $, h, moment, notify, say } from "./dom.js";
import { DEPOSIT_STATES, inWords } from "./words.js";

const DEPOSITS_EVERY_MS = 3_000;
const DEPOSITS_MAX = 50;
const PENDING_AGAIN_MS = 800;

for (const button of document.querySelectorAll("dialog [data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

/** The dialog of login and registration; call what it returns with "login" or "register". */
export function mountLogin(session) {
  const [dialog, form] = [$("login-dialog"), $("login-form")];
  let mode = "login";

  function open(wanted = "login", reason = "") {
    mode = wanted;
    const isNew = mode === "register";
    say($("login-title"), isNew ? "Register" : "Log in");
    say($("login-submit"), isNew ? "Register" : "Log in");
    say($("login-switch"), isNew ? "You have an account? Log in." : "No account yet? Register.");
    $("password-hint").hidden = !isNew;
    form.elements.password.autocomplete = isNew ? "new-password" : "current-password";
    say($("login-problem"), reason);
    if (!dialog.open) dialog.showModal();
    form.elements.email.focus();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = $("login-submit");
    button.disabled = true;
    say($("login-problem"), "");
    try {
      const { email, password } = form.elements;
      await session[mode](email.value.trim(), password.value);
      password.value = "";
      dialog.close();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      say($("login-problem"), inWords(error));
    } finally {
      button.disabled = false;
    }
  });
  $("login-switch").addEventListener("click", () => open(mode === "login" ? "register" : "login"));
  $("open-login").addEventListener("click", () => open("login"));
  $("open-register").addEventListener("click", () => open("register"));
  dialog.addEventListener("close", () => {
    form.elements.password.value = "";
  });
  return open;
}

/** The dialog of deposits: an address for each network, and what has arrived. */
export function mountDeposit(session) {
  const [dialog, select] = [$("deposit-dialog"), $("deposit-network")];
  let networks = [];
  let timer = null;
  let asked = 0;

  async function open() {
    say($("deposit-problem"), "");
    if (!dialog.open) dialog.showModal();
    void deposits();
    try {
      networks = (await session.call("GET", "deposit-networks")).items;
    } catch (error) {
      tell(error);
      return;
    }
    const chosen = select.value;
    select.replaceChildren(
      ...networks.map((each, index) =>
        h("option", { value: index }, `${each.asset} on ${each.network}`),
      ),
    );
    if (chosen && networks[chosen]) select.value = chosen;
    if (networks.length) await address();
    else say($("deposit-hint"), "Nothing can be deposited here yet.");
  }

  function tell(error) {
    if (!(error instanceof ApiError)) throw error;
    say($("deposit-problem"), inWords(error));
  }

  async function address() {
    const network = networks[select.value];
    asked += 1;
    const mine = asked;
    say($("deposit-address"), "…");
    $("deposit-copy").hidden = true;
    say($("deposit-problem"), "");
    try {
      const answer = await session.once("deposit-address", {
        asset: network.asset, network: network.network,
      });
      if (mine !== asked) return;
      say($("deposit-address"), answer.address);
      $("deposit-copy").hidden = false;
      say(
        $("deposit-hint"),
        `Send only ${answer.asset} over ${answer.network} to this address. It is credited after `
          + `${answer.min_confirmations} confirmations.`,
      );
    } catch (error) {
      if (mine !== asked) return;
      say($("deposit-address"), "–");
      if (error.code === "account_pending" && dialog.open) setTimeout(address, PENDING_AGAIN_MS);
      tell(error);
    }
  }

  async function deposits() {
    clearTimeout(timer);
    if (!dialog.open) return;
    try {
      const page = await session.call("GET", "deposits", { query: { limit: DEPOSITS_MAX } });
      show(page.items);
    } catch (error) {
      tell(error);
    }
    timer = setTimeout(deposits, DEPOSITS_EVERY_MS);
  }

  function show(items) {
    if (!items.length) {
      $("deposits").replaceChildren(h("p", { class: "empty" }, "None yet."));
      return;
    }
    const rows = items.map((each) =>
      h(
        "tr", {},
        h("td", {}, `${grouped(each.amount)} ${each.asset}`),
        h("td", { class: "text" }, stateOf(each)),
        h("td", { class: "name", title: each.txid }, each.txid),
        h("td", {}, moment(each.credited_at ?? each.created_at)),
      ),
    );
    $("deposits").replaceChildren(h("table", { class: "list" }, h("tbody", {}, ...rows)));
  }

  function stateOf(deposit) {
    const text = DEPOSIT_STATES[deposit.state] ?? deposit.state;
    if (deposit.state !== "pending") return text;
    return `${text} (${deposit.confirmations} of ${deposit.min_confirmations})`;
  }

  select.addEventListener("change", address);
  dialog.addEventListener("close", () => clearTimeout(timer));
  $("deposit-copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText($("deposit-address").textContent);
      notify("The address is copied.");
    } catch {
      notify("The browser does not let this page copy; select the address instead.", "bad");
    }
  });
  return open;
}
