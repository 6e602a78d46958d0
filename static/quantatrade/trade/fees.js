// Fees and holds as the engine computes them: whole atoms, rounded up once over an order's fills of
// one role (engine/kernel/reference/fees.py). So a fee does not depend on how an order is split.

import { notionalOf } from "./terms.js";

const PPM = 1_000_000n;

/** amount x rate / 10^6: a fee is rounded up, a rebate (a negative rate) towards zero. */
export function ceilPpm(amount, rate) {
  const product = amount * rate;
  return product < 0n ? product / PPM : (product + PPM - 1n) / PPM;
}

/** Which asset a side's fee is taken from. */
export function feeAsset(terms, side) {
  return side === "BID" && terms.feeModel === "received" ? terms.base : terms.quote;
}

export function feeDecimals(terms, side) {
  return side === "BID" && terms.feeModel === "received" ? terms.baseDecimals : terms.quoteDecimals;
}

/** The fee in atoms of `feeAsset` for executing `lots` worth `notional` in one role. */
export function feeOf(terms, side, rate, lots, notional) {
  if (terms.feeModel === "per_lot") {
    const fee = lots * rate;
    return side === "ASK" && fee > notional ? notional : fee; // an ask gives what it receives
  }
  if (terms.feeModel === "received" && side === "BID") return ceilPpm(lots * terms.lotAtoms, rate);
  return ceilPpm(notional, rate);
}

/**
 * What taking up to `lots` from these levels (best first: [ticks, lots]) gives, at prices no worse
 * than `limit` (null: any).
 */
export function sweep(terms, side, levels, lots, limit) {
  let left = lots;
  let notional = 0n;
  let fee = 0n;
  let last = null;
  for (const [ticks, held] of levels) {
    if (left === 0n) break;
    if (limit !== null && (side === "BID" ? ticks > limit : ticks < limit)) break;
    const taken = held < left ? held : left;
    const worth = notionalOf(terms, ticks, taken);
    if (terms.feeModel === "per_lot") fee += feeOf(terms, side, terms.takerRate, taken, worth);
    notional += worth;
    left -= taken;
    last = ticks;
  }
  const done = lots - left;
  if (terms.feeModel !== "per_lot" && done) {
    fee = feeOf(terms, side, terms.takerRate, done, notional);
  }
  return { lots: done, notional, fee, last };
}

/** What an order holds when it is accepted, in atoms of the asset that its side gives. */
export function reserveOf(terms, order, opposite) {
  const { side, type, ticks, lots } = order;
  if (side === "ASK") return lots * terms.lotAtoms;
  if (type === "MARKET") {
    const taken = sweep(terms, side, opposite, lots, null);
    return taken.notional + (terms.feeModel === "received" ? 0n : taken.fee);
  }
  const notional = notionalOf(terms, ticks, lots);
  if (terms.feeModel === "received") return notional;
  const dearer = terms.makerRate > terms.takerRate ? terms.makerRate : terms.takerRate;
  return notional + feeOf(terms, side, dearer, lots, notional);
}

/** The most lots whose reserve is at most `funds` atoms of the asset that the side gives. */
export function lotsWithin(terms, { side, type, ticks }, funds, opposite) {
  if (side === "ASK") return funds / terms.lotAtoms;
  let high = 0n;
  if (type === "MARKET") {
    for (const [, held] of opposite) high += held;
  } else if (ticks > 0n) {
    high = funds / notionalOf(terms, ticks, 1n);
  }
  let low = 0n;
  while (low < high) {
    const middle = (low + high + 1n) / 2n;
    if (reserveOf(terms, { side, type, ticks, lots: middle }, opposite) <= funds) low = middle;
    else high = middle - 1n;
  }
  return low;
}

/**
 * What would become of an order if it met these levels now: what it takes with which fee, what
 * rests, and the fee that the rest pays when it is taken at its price.
 */
export function outlook(terms, order, opposite) {
  const { side, type, ticks, lots, timeInForce } = order;
  const limit = type === "MARKET" ? null : ticks;
  let taken = sweep(terms, side, opposite, lots, limit);
  const isRefused = type === "LIMIT_MAKER" && taken.lots > 0n;
  const isKilled = timeInForce === "FOK" && taken.lots < lots;
  if (isRefused || isKilled) taken = { lots: 0n, notional: 0n, fee: 0n, last: null };
  const rests = type === "LIMIT_MAKER" || (type === "LIMIT" && timeInForce === "GTC");
  const restLots = rests && !isRefused ? lots - taken.lots : 0n;
  const restNotional = restLots ? notionalOf(terms, ticks, restLots) : 0n;
  return {
    taken,
    rest: {
      lots: restLots,
      notional: restNotional,
      fee: restLots ? feeOf(terms, side, terms.makerRate, restLots, restNotional) : 0n,
    },
    unfilled: lots - taken.lots - restLots,
    isRefused,
    isKilled,
  };
}
