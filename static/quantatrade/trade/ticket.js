// The order ticket: price, quantity and total linked exactly, fees before placing, what is against
// the order before it is sent, and the exchange's answer after.

import { ApiError, idempotencyKey, UNSURE } from "./api.js";
import { asPercent, fromAtoms, toAtoms, typed } from "./decimal.js";
import { $, framed, h, notify, say } from "./dom.js";
import { feeAsset, feeDecimals, feeOf, lotsWithin, outlook, sweep } from "./fees.js";
import { isOpen, orderProblems, readOrder, STATES, takesOrder } from "./rules.js";
import { notionalOf, priceText, quantityText, quoteText, ticksOf } from "./terms.js";
import { inWords } from "./words.js";

const FORM = () => $("ticket");
const atomsOrNull = (text, decimals) => {
  const plain = typed(text);
  try {
    return plain === null ? null : toAtoms(plain, decimals);
  } catch {
    return null;
  }
};

export function mountTicket(exchange, askLogin) {
  const { session } = exchange;
  let leading = "quantity"; // which of quantity and total the trader has stated
  let isSending = false;
  let kept = ""; // the price, while the type is market
  let unsure = null; // {key, body}: sent, and the outcome is not known

  const form = () => ({
    side: FORM().elements.side.value,
    type: formType(),
    timeInForce: $("tif").value,
    price: $("price").value,
    quantity: $("quantity").value,
  });
  const formType = () => {
    if ($("type").value === "MARKET") return "MARKET";
    return $("post-only").checked ? "LIMIT_MAKER" : "LIMIT";
  };
  const opposite = () => exchange.book.opposite(FORM().elements.side.value);
  const gives = () => {
    const { terms } = exchange;
    return FORM().elements.side.value === "BID"
      ? [terms.quote, terms.quoteDecimals]
      : [terms.base, terms.baseDecimals];
  };
  const available = () => exchange.availableAtoms(...gives());

  function linkTotal() {
    const { terms } = exchange;
    if (leading === "total") {
      quantityFromTotal();
      return;
    }
    const { order } = readOrder(terms, form());
    $("total").value = order === null ? "" : quoteText(terms, worth(order));
  }

  function worth(order) {
    const { terms } = exchange;
    if (order.type !== "MARKET") return notionalOf(terms, order.ticks, order.lots);
    return sweep(terms, order.side, opposite(), order.lots, null).notional;
  }

  // The most whole lots that cost no more than the total.
  function quantityFromTotal() {
    const { terms } = exchange;
    const total = atomsOrNull($("total").value, terms.quoteDecimals);
    const { side, type, price } = form();
    if (total === null) {
      $("quantity").value = "";
      return;
    }
    let lots = 0n;
    if (type === "MARKET") {
      lots = lotsForTotal(side, total);
    } else {
      const tick = priceTicks(price);
      if (tick) lots = total / notionalOf(terms, tick, 1n);
    }
    $("quantity").value = lots > 0n ? quantityText(terms, lots) : "";
  }

  function lotsForTotal(side, total) {
    let left = total;
    let lots = 0n;
    for (const [ticks, held] of exchange.book.opposite(side)) {
      const fits = left / notionalOf(exchange.terms, ticks, 1n);
      const taken = fits < held ? fits : held;
      lots += taken;
      left -= notionalOf(exchange.terms, ticks, taken);
      if (taken < held) break;
    }
    return lots;
  }

  function priceTicks(text) {
    const plain = typed(text);
    try {
      return plain === null ? null : ticksOf(exchange.terms, plain);
    } catch {
      return null;
    }
  }

  function share(percentage) {
    const { terms } = exchange;
    const funds = available();
    if (funds === null) return askLogin();
    const { side, type, price } = form();
    const ticks = type === "MARKET" ? 0n : priceTicks(price);
    if (ticks === null && side === "BID") {
      notify("State a price first.");
      $("price").focus();
      return undefined;
    }
    const part = (funds * BigInt(percentage)) / 100n;
    const lots = lotsWithin(terms, { side, type, ticks: ticks ?? 0n }, part, opposite());
    leading = "quantity";
    $("quantity").value = lots > 0n ? quantityText(terms, lots) : "0";
    changed();
    return undefined;
  }

  const changed = framed(() => {
    const { terms } = exchange;
    if (!terms) return;
    const { side, type } = form();
    const isMarket = type === "MARKET";
    keepPrice(isMarket);
    $("price").disabled = isMarket;
    $("price").placeholder = isMarket ? "best in the book" : "";
    $("post-only-line").hidden = isMarket;
    $("tif").disabled = type !== "LIMIT";
    linkTotal();
    const { order, problems } = readOrder(terms, form());
    if (order) problems.push(...orderProblems(terms, order, exchange.book, available()));
    const isClosed = !isOpen(terms.state);
    const isStopped = isClosed || (order && !takesOrder(terms.state, order));
    showStop(isStopped ? STATES[terms.state] ?? STATES.HALT : accountStop());
    showProblems(problems.filter((problem) => problem.field !== "state"));
    showFees(order, side);
    showFunds();
    showSubmit(side, isClosed);
  });

  // A market order has no price; the one that was stated comes back with a limit order.
  function keepPrice(isMarket) {
    if (isMarket && !$("price").disabled) {
      kept = $("price").value;
      $("price").value = "";
    } else if (!isMarket && $("price").disabled) {
      $("price").value = $("price").value || kept;
    }
  }

  function accountStop() {
    if (!session.user) return "";
    const { account } = session.user;
    if (account === "pending") return "Your account is being opened. This takes about a second.";
    if (account === "suspended") return "Trading is suspended for your account; cancels work.";
    return account === null ? "This login has no trading account. The console is its place." : "";
  }

  function showStop(text) {
    $("ticket-stop").hidden = text === "";
    say($("ticket-stop"), text);
  }

  function showProblems(problems) {
    $("problems").replaceChildren(...problems.map(({ text }) => h("li", {}, text)));
    const wrong = new Set(problems.map(({ field }) => field));
    for (const name of ["price", "quantity", "total"]) {
      $(name).closest(".box").classList.toggle("wrong", wrong.has(name));
      $(name).setAttribute("aria-invalid", String(wrong.has(name)));
    }
  }

  function showFees(order, side) {
    const { terms } = exchange;
    const shown = (rate) => (terms.feeModel === "per_lot" ? "" : ` (${asPercent(rate)} %)`);
    say($("taker-label"), `Fee as taker${shown(terms.takerFee)}`);
    say($("maker-label"), `Fee as maker${shown(terms.makerFee)}`);
    if (!order) {
      for (const id of ["fee-taker", "fee-maker", "at-once"]) say($(id), "–");
      return;
    }
    const text = (atoms) => `${fromAtoms(atoms, feeDecimals(terms, side))} ${feeAsset(terms, side)}`;
    const levels = opposite();
    const seen = outlook(terms, order, levels);
    const notional = order.type === "MARKET" ? 0n : notionalOf(terms, order.ticks, order.lots);
    const whole = (rate) => text(feeOf(terms, side, rate, order.lots, notional));
    if (order.type === "MARKET") {
      say($("fee-taker"), text(seen.taken.fee));
      say($("fee-maker"), "never maker");
    } else {
      const isTaking = seen.taken.lots > 0n;
      say($("fee-taker"), isTaking ? text(seen.taken.fee) : taken(order, whole));
      say($("fee-maker"), seen.rest.lots ? text(seen.rest.fee) : made(order, isTaking, whole));
    }
    say($("at-once"), atOnce(seen));
  }

  const taken = (order, whole) =>
    order.type === "LIMIT_MAKER" ? "never taker" : whole(exchange.terms.takerRate);
  const made = (order, isTaking, whole) =>
    isTaking || order.timeInForce !== "GTC" ? "nothing rests" : whole(exchange.terms.makerRate);

  function atOnce(seen) {
    const { terms } = exchange;
    if (seen.isRefused) return "refused: it would trade";
    if (seen.isKilled) return "nothing: not all of it is there";
    if (seen.taken.lots === 0n) return seen.rest.lots ? "nothing, all of it rests" : "nothing";
    const parts = [
      `${quantityText(terms, seen.taken.lots)} ${terms.base} for`,
      `${quoteText(terms, seen.taken.notional)} ${terms.quote}`,
    ];
    if (seen.rest.lots) parts.push(`· ${quantityText(terms, seen.rest.lots)} rests`);
    if (seen.unfilled) parts.push(`· ${quantityText(terms, seen.unfilled)} expires`);
    return parts.join(" ");
  }

  function showFunds() {
    const [asset, decimals] = gives();
    const funds = available();
    say($("available"), funds === null ? "–" : `${fromAtoms(funds, decimals)} ${asset}`);
    const { terms } = exchange;
    say($("price-unit"), terms.quote);
    say($("quantity-unit"), terms.base);
    say($("total-unit"), terms.quote);
  }

  function showSubmit(side, isClosed) {
    const button = $("place");
    const { terms } = exchange;
    const isTrader = session.user?.account === "active";
    button.className = `submit ${session.isOpen ? (side === "BID" ? "buy" : "sell") : ""}`;
    button.disabled = isSending || isClosed || (session.isOpen && !isTrader);
    let text = side === "BID" ? `Buy ${terms.base}` : `Sell ${terms.base}`;
    if (!session.isOpen) text = "Log in to trade";
    if (isSending) text = "Sending …";
    if (unsure) text = "Ask again what became of it";
    say(button, text);
    $("ticket-fields").disabled = isClosed;
  }

  async function submit(event) {
    event.preventDefault();
    if (!session.isOpen) {
      askLogin();
      return;
    }
    if (isSending) return;
    const sent = unsure ?? compose();
    if (!sent) return;
    isSending = true;
    changed();
    try {
      const answer = await session.once("orders", sent.body, sent.key);
      unsure = null;
      showPlaced(answer);
      leading = "quantity";
      $("quantity").value = $("total").value = "";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      unsure = UNSURE.has(error.code) ? sent : null;
      showRefused(error);
    } finally {
      isSending = false;
      changed();
    }
  }

  function compose() {
    const { terms } = exchange;
    const stated = form();
    const { order, problems } = readOrder(terms, stated);
    if (order) problems.push(...orderProblems(terms, order, exchange.book, available()));
    if (!order && !problems.length) {
      const isPriced = stated.type === "MARKET" || stated.price.trim();
      problems.push({
        field: isPriced ? "quantity" : "price",
        text: isPriced ? "State a quantity." : "State a price.",
      });
    }
    if (problems.length) {
      showProblems(problems);
      $(["price", "quantity", "total"].find((name) => name === problems[0].field) ?? "quantity")
        .focus();
      return null;
    }
    const body = {
      market: terms.symbol,
      side: order.side,
      type: order.type,
      quantity: quantityText(terms, order.lots),
    };
    if (order.type !== "MARKET") body.price = priceText(terms, order.ticks);
    if (order.type === "LIMIT") body.time_in_force = order.timeInForce;
    return { key: idempotencyKey(), body };
  }

  function showPlaced({ order }) {
    const box = $("placed");
    box.hidden = false;
    box.className = "placed";
    const fills = order.fills ?? [];
    const rows = fills.map((fill) =>
      h(
        "div", { class: "fill" },
        h("span", {}, `${fill.quantity} at ${fill.price}`),
        h("span", {}, `fee ${fill.fee} ${fill.fee_asset}`),
      ),
    );
    box.replaceChildren(
      h("h3", {}, `${headlineOf(order)} #${order.order_id}`),
      facts([
        ["Executed", `${order.executed_quantity} of ${order.quantity}`],
        ["For", `${order.executed_quote} ${exchange.markets.get(order.market).quote}`],
        ["Exact fee", `${order.fee} ${order.fee_asset}`],
        ["Still open", order.leaves_quantity],
      ]),
      ...rows,
    );
    dispatchEvent(new CustomEvent("order-placed"));
  }

  function showRefused(error) {
    const box = $("placed");
    box.hidden = false;
    box.className = "placed bad-news";
    box.replaceChildren(h("h3", {}, "Not placed"), h("p", {}, inWords(error)));
    if (unsure) say(box.firstChild, "Outcome not known");
  }

  FORM().addEventListener("submit", submit);
  FORM().addEventListener("input", (event) => {
    if (event.target.id === "quantity" || event.target.id === "total") leading = event.target.id;
    unsure = null;
    changed();
  });
  for (const button of FORM().querySelectorAll("[data-share]")) {
    button.addEventListener("click", () => share(Number(button.dataset.share)));
  }
  for (const name of ["book", "balances", "account"]) exchange.addEventListener(name, changed);
  exchange.addEventListener("terms", (event) => event.detail === exchange.symbol && changed());
  exchange.addEventListener("select", () => {
    for (const id of ["price", "quantity", "total"]) $(id).value = "";
    kept = "";
    $("placed").hidden = true;
    unsure = null;
    changed();
  });

  /** Take over a price of the book. */
  return (ticks) => {
    if ($("type").value === "MARKET") $("type").value = "LIMIT";
    $("price").value = priceText(exchange.terms, ticks);
    changed();
    if (!$("quantity").value) $("quantity").focus();
  };
}

const HEADLINES = {
  OPEN: "Resting in the book", FILLED: "Filled", CANCELED: "Canceled", EXPIRED: "Expired",
};

function headlineOf(order) {
  if (order.status === "OPEN" && order.fills?.length) return "Partly filled, the rest is open";
  if (order.status === "EXPIRED" && order.fills?.length) return "Partly filled, the rest expired";
  return HEADLINES[order.status] ?? order.status;
}

function facts(pairs) {
  return h(
    "dl", { class: "facts num" },
    ...pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}
