// Decimal text and whole atoms (BigInt), exactly. A price or an amount is never a JavaScript number:
// a binary float cannot hold 0.1, and what is shown here is what is paid.

const PLAIN = /^\d{1,38}(?:\.\d{1,18})?$/;
const TYPED = /^(\d*)(?:\.(\d*))?$/;

export class DecimalError extends Error {}

/** Atoms of plain decimal text. DecimalError if it is none, or has more decimals than that. */
export function toAtoms(text, decimals) {
  if (typeof text !== "string" || !PLAIN.test(text)) {
    throw new DecimalError(`was ${JSON.stringify(text)}, expected a plain decimal`);
  }
  const [whole, fraction = ""] = text.split(".");
  const kept = fraction.replace(/0+$/, "");
  if (kept.length > decimals) {
    throw new DecimalError(`was ${text}, expected at most ${decimals} decimals`);
  }
  return BigInt(whole + kept.padEnd(decimals, "0"));
}

/** `toAtoms` of what may be negative: the rate of a maker who is paid. */
export function signedAtoms(text, decimals) {
  const isNegative = typeof text === "string" && text.startsWith("-");
  return isNegative ? -toAtoms(text.slice(1), decimals) : toAtoms(text, decimals);
}

/** Atoms as decimal text with no zero that says nothing. */
export function fromAtoms(atoms, decimals) {
  const sign = atoms < 0n ? "-" : "";
  const digits = (atoms < 0n ? -atoms : atoms).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, "");
  return sign + whole + (fraction ? `.${fraction}` : "");
}

/** How many decimals plain text has, zeros at its end not counted. */
export function decimalsOf(text) {
  const fraction = text.split(".")[1] ?? "";
  return fraction.replace(/0+$/, "").length;
}

/** What somebody typed as plain text: ".5" is "0.5", "5." is "5". Null if it is no decimal. */
export function typed(text) {
  const match = TYPED.exec(text.trim());
  if (!match || (!match[1] && !match[2])) return null;
  const plain = (match[1] || "0").replace(/^0+(?=\d)/, "") + (match[2] ? `.${match[2]}` : "");
  return PLAIN.test(plain) ? plain : null;
}

/** Plain text with at least that many decimals; digits are added, never taken away. */
export function padded(text, decimals) {
  const [whole, fraction = ""] = text.split(".");
  return decimals > 0 || fraction ? `${whole}.${fraction.padEnd(decimals, "0")}` : whole;
}

/** Plain text cut (towards zero) to that many decimals: for glances, where a title tells the rest. */
export function cut(text, decimals) {
  const [whole, fraction = ""] = text.split(".");
  return decimals > 0 ? `${whole}.${fraction.slice(0, decimals).padEnd(decimals, "0")}` : whole;
}

/** Plain text with thousands set apart. */
export function grouped(text) {
  const [whole, fraction] = text.split(".");
  const parted = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? parted : `${parted}.${fraction}`;
}

/** Sum of two plain decimals of any number of decimals. */
export function add(left, right) {
  const decimals = Math.max(decimalsOf(left), decimalsOf(right));
  return fromAtoms(toAtoms(left, decimals) + toAtoms(right, decimals), decimals);
}

export function isZero(text) {
  return /^[0.]*$/.test(text);
}

/** change / open in percent with two decimals, cut towards zero: "+1.23", "-0.04", "0.00". */
export function percent(change, open) {
  const isNegative = change.startsWith("-");
  const size = isNegative ? change.slice(1) : change;
  const decimals = Math.max(decimalsOf(size), decimalsOf(open));
  const base = toAtoms(open, decimals);
  if (base === 0n) return "0.00";
  const hundredths = (toAtoms(size, decimals) * 10_000n) / base;
  const sign = hundredths === 0n ? "" : isNegative ? "-" : "+";
  return sign + padded(fromAtoms(hundredths, 2), 2);
}

/** A fraction such as a fee rate in percent: "0.001" is "0.1". */
export function asPercent(fraction) {
  return fromAtoms(signedAtoms(fraction, 18), 16);
}
