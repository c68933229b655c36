// Tokens, numbers and equations as text.
import { html } from "./vendor/preact-htm.js";

const NAMES = { "<s>": "start", "</s>": "end", "<unk>": "unknown", " ": "␣", "\n": "↵", "\t": "⇥", "": "·" };
const WORDS = { sigmoid: "σ", lambda: "λ", alpha: "α", beta: "β", "*": "·", "-": "−" };

export const showToken = (token) => NAMES[token] ?? token.replaceAll("\n", "↵").replaceAll("\t", "⇥");

export const speakToken = (token) =>
  ({ " ": "space", "\n": "new line", "\t": "tab", "": "no token" })[token] ?? showToken(token);

export const percent = (p) => `${(100 * p).toFixed(p > 0 && p < 0.1 ? 1 : 0)} %`;

export const number = (v) => v.toFixed(Math.abs(v) < 100 ? 2 : 0).replace("-", "−");

// "h_{t-1} U_i" with its subscripts and superscripts
export function symbols(text) {
  const parts = text.split(/([_^](?:\{[^}]*\}|[A-Za-z0-9]))/);
  return parts.map((part) => {
    if (!/^[_^]/.test(part)) return part.replace(/sigmoid|lambda|alpha|beta|\*|-/g, (word) => WORDS[word]);
    const inner = part.slice(1).replace(/[{}]/g, "").replaceAll("-", "−");
    return part[0] === "_" ? html`<sub>${inner}</sub>` : html`<sup>${inner}</sup>`;
  });
}

// the formula with a text in each of its fields
export function fill(formula, texts) {
  let next = 0;
  return formula.replaceAll("{}", () => texts[next++]);
}

// the formula with numbers: "σ(0.31 − 1.20)"
export function fillNumbers(formula, values) {
  let next = 0;
  return formula
    .replace(/(\* )?\{\}/g, (_, times) => {
      const text = number(values[next++]);
      return times ? `* ${text.startsWith("−") ? `(${text})` : text}` : text;
    })
    .replaceAll("+ −", "− ");
}
