// What the exchange would refuse about an order, said before it is sent, in the engine's own order
// of checks (docs/API.md lists the codes). The engine decides; this only spares a round trip.

import { fromAtoms, toAtoms, typed } from "./decimal.js";
import { reserveOf, sweep } from "./fees.js";
import {
  GridError, lotsOf, notionalOf, priceText, quantityText, quoteText, ticksOf,
} from "./terms.js";

export const STATES = {
  TRADING: "The market is open.",
  CANCEL_ONLY: "This market takes cancels only: open orders can be canceled, new ones are refused.",
  HALT: "This market is halted by the exchange: nothing trades and new orders are refused.",
  POST_ONLY: "This market takes post-only orders and cancels: nothing trades yet.",
  LIMIT_ONLY: "This market takes limit orders only, no market orders.",
  AUCTION: "This market is in an auction: limit orders are collected and meet when it ends.",
  CLOSED: "This market is closed: nothing can be placed or canceled.",
  DELISTED: "This market has been taken off the exchange.",
};
const ALL = () => true;
const TAKES = {
  TRADING: ALL,
  POST_ONLY: (order) => order.type === "LIMIT_MAKER",
  LIMIT_ONLY: (order) => order.type !== "MARKET",
  AUCTION: (order) => order.type === "LIMIT_MAKER" || order.timeInForce === "GTC",
};

/** Whether a market in this state takes orders of some kind. */
export const isOpen = (state) => state in TAKES;

/** Whether a market in this state takes this order. */
export const takesOrder = (state, order) => isOpen(state) && TAKES[state](order);

/** Read the ticket. `order` is null while a field is missing; problems: [{field, text}]. */
export function readOrder(terms, form) {
  const problems = [];
  const order = {
    side: form.side,
    type: form.type,
    timeInForce: form.type === "LIMIT" ? form.timeInForce : null,
    ticks: 0n,
    lots: 0n,
  };
  if (form.type !== "MARKET") {
    order.ticks = number(terms, ticksOf, "price", "price", form.price, problems);
  }
  order.lots = number(terms, lotsOf, "quantity", "quantity", form.quantity, problems);
  return { order: order.ticks === null || order.lots === null ? null : order, problems };
}

function number(terms, read, field, name, text, problems) {
  if (text.trim() === "") return null;
  const plain = typed(text);
  if (plain === null) {
    problems.push({ field, text: `The ${name} is not a number. Use digits and a point: 0.25` });
    return null;
  }
  try {
    const units = read(terms, plain);
    if (units > 0n) return units;
    problems.push({ field, text: `The ${name} must be above 0.` });
  } catch (error) {
    if (!(error instanceof GridError)) throw error;
    problems.push({ field, text: error.message });
  }
  return null;
}

/** What is against this order now. `available` in atoms of what the side gives; null: unknown. */
export function orderProblems(terms, order, book, available) {
  const problems = [];
  const add = (field, text) => problems.push({ field, text });
  if (!takesOrder(terms.state, order)) add("state", STATES[terms.state] ?? STATES.HALT);
  const { priceMin, priceMax, quantityMin, quantityMax, notionalMin } = terms;
  if (order.type !== "MARKET") {
    if (priceMin !== null && order.ticks < ticksOf(terms, priceMin)) {
      add("price", `The lowest price here is ${priceMin} ${terms.quote}.`);
    }
    if (priceMax !== null && order.ticks > ticksOf(terms, priceMax)) {
      add("price", `The highest price here is ${priceMax} ${terms.quote}.`);
    }
  }
  if (quantityMin !== null && order.lots < lotsOf(terms, quantityMin)) {
    add("quantity", `The smallest order here is ${quantityMin} ${terms.base}.`);
  }
  if (quantityMax !== null && order.lots > lotsOf(terms, quantityMax)) {
    add("quantity", `The largest order here is ${quantityMax} ${terms.base}.`);
  }
  notionalProblem(terms, order, notionalMin, add);
  const opposite = book.opposite(order.side);
  bookProblem(terms, order, opposite, add);
  const reserve = reserveOf(terms, order, opposite);
  if (available !== null && reserve > available) {
    const isBid = order.side === "BID";
    const [asset, decimals] = isBid
      ? [terms.quote, terms.quoteDecimals]
      : [terms.base, terms.baseDecimals];
    const [need, have] = [fromAtoms(reserve, decimals), fromAtoms(available, decimals)];
    add("funds", `This needs ${need} ${asset}; you have ${have} ${asset} available.`);
  }
  return problems;
}

function notionalProblem(terms, order, notionalMin, add) {
  if (notionalMin === null || order.type === "MARKET") return;
  const notional = notionalOf(terms, order.ticks, order.lots);
  if (notional < toAtoms(notionalMin, terms.quoteDecimals)) {
    const { quote } = terms;
    const worth = quoteText(terms, notional);
    add("total", `The order is worth ${worth} ${quote}; the least is ${notionalMin} ${quote}.`);
  }
}

function bookProblem(terms, order, opposite, add) {
  const best = opposite[0]?.[0];
  if (order.type === "MARKET" && best === undefined) {
    const whom = order.side === "BID" ? "sells" : "buys";
    add("quantity", `Nobody ${whom} here now, so a market order would do nothing.`);
  }
  if (order.type === "LIMIT_MAKER" && best !== undefined) {
    const takes = order.side === "BID" ? order.ticks >= best : order.ticks <= best;
    if (takes) {
      const where = order.side === "BID" ? "below" : "above";
      const price = priceText(terms, best);
      add("price", `A post-only order must not trade at once: choose a price ${where} ${price}.`);
    }
  }
  if (order.type === "LIMIT" && order.timeInForce === "FOK") {
    const { lots } = sweep(terms, order.side, opposite, order.lots, order.ticks);
    if (lots < order.lots) {
      const offered = quantityText(terms, lots);
      add("quantity", `Fill-or-kill needs all of it at once; the book has ${offered} ${terms.base}.`);
    }
  }
}
