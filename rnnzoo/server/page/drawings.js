// Drawings that need no colour: a value is the size of a square, a negative one is hollow.
import { html } from "./vendor/preact-htm.js";
import { number, percent, showToken } from "./format.js";

const CELL = 14, LABEL = 44;

// A grid of squares: rows of units, columns of steps. `onPick(row, column)` is called for a click.
export function Squares({ title, rows, columns, value, limit, picked, onPick, pickedRow = -1, tall = false }) {
  const longest = Math.max(1, ...columns.map((name) => showToken(name).length));
  const top = tall ? 18 + 6 * Math.min(longest, 12) : 20;
  const width = LABEL + CELL * columns.length + 4, height = top + CELL * rows.length + 4;
  const squares = [];
  rows.forEach((_, r) =>
    columns.forEach((_, c) => {
      const v = value(r, c);
      const side = (CELL - 2) * Math.sqrt(Math.min(1, Math.abs(v) / limit));
      if (side < 0.8) return;
      const at = { x: LABEL + CELL * (c + 0.5) - side / 2, y: top + CELL * (r + 0.5) - side / 2 };
      squares.push(html`<rect class=${v < 0 ? "negative" : "positive"} ...${at} width=${side} height=${side} />`);
    }),
  );
  const pick = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const c = Math.floor((event.clientX - box.left - LABEL) / CELL), r = Math.floor((event.clientY - box.top - top) / CELL);
    if (c >= 0 && c < columns.length && r < rows.length) onPick(Math.max(r, 0), c);
  };
  const text = (name, c) =>
    tall
      ? html`<text class="small" transform=${`translate(${LABEL + CELL * (c + 0.75)} ${top - 6}) rotate(-60)`}>${name}</text>`
      : html`<text class="small" text-anchor="middle" x=${LABEL + CELL * (c + 0.5)} y="14">${name}</text>`;
  return html`<figure>
    <figcaption>${title}</figcaption>
    <div class="wide" tabindex="0" role="group" aria-label=${`${title}, drawing`}>
      <svg class="squares" width=${width} height=${height} onClick=${pick} role="img" aria-label=${`${title}: ${rows.length} rows, ${columns.length} steps`}>
        ${pickedRow >= 0 && html`<rect class="picked" x="1" y=${top + CELL * pickedRow} width=${width - 2} height=${CELL} />`}
        ${picked >= 0 && html`<rect class="picked" x=${LABEL + CELL * picked} y=${top - 2} width=${CELL} height=${CELL * rows.length + 4} />`}
        ${columns.map((name, c) => text(showToken(name), c))}
        ${rows.map((name, r) => html`<text class="small" text-anchor="end" x=${LABEL - 6} y=${top + CELL * (r + 0.75)}>${showToken(String(name))}</text>`)}
        ${squares}
      </svg>
    </div>
  </figure>`;
}

// Gates of one unit from 0 to 100 %; a candidate from -1 to 1.
export function Gauges({ gates }) {
  return html`<div class="gauges">
    ${gates.map(([name, value]) => {
      const signed = name === "candidate", fraction = Math.min(1, Math.abs(value));
      const height = (signed ? 35 : 70) * fraction, y = signed ? (value < 0 ? 40 : 40 - height) : 75 - height;
      return html`<figure class="gauge">
        <svg width="44" height="80" aria-hidden="true">
          <rect class="frame" x="8" y="5" width="28" height="70" />
          <rect class=${value < 0 ? "negative" : "positive"} x="8" y=${y} width="28" height=${height} />
          ${signed && html`<line class="frame" x1="4" x2="40" y1="40" y2="40" />`}
        </svg>
        <figcaption>${name}<br /><strong>${signed ? number(value) : percent(value)}</strong></figcaption>
      </figure>`;
    })}
  </div>`;
}

// The state of one unit as a belt through time: what is kept of it, and what is added.
export function Belt({ symbol, values, keep, tokens, picked, onPick }) {
  const step = 92, limit = Math.max(1e-6, ...values.map(Math.abs));
  const box = (v, t) => {
    const height = 28 * (Math.abs(v) / limit), x = step * t + 44;
    const before = t ? values[t - 1] : 0, kept = keep ? keep[t] : null;
    const added = kept === null ? null : v - kept * before;
    return html`<g class="pickable" onClick=${() => onPick(t)}>
      ${t === picked && html`<rect class="picked" x=${x - 46} y="2" width=${step - 2} height="140" />`}
      <rect class="frame" x=${x} y="24" width="40" height="60" />
      <rect class=${v < 0 ? "negative" : "positive"} x=${x + 6} y=${v < 0 ? 54 : 54 - height} width="28" height=${height} />
      <line class="frame" x1=${x} x2=${x + 40} y1="54" y2="54" />
      <text class="small" text-anchor="middle" x=${x + 20} y="18">${showToken(tokens[t])}</text>
      <text class="small" text-anchor="middle" x=${x + 20} y="98">${number(v)}</text>
      ${kept !== null && html`<text class="small" text-anchor="end" x=${x - 6} y="46">×${kept.toFixed(2)}</text>`}
      <path class="arrow" d=${`M${x - 24} 54h18m-5 -4l5 4l-5 4`} />
      ${added !== null && html`<path class="arrow" d=${`M${x + 20} 122v-18m-4 5l4 -5l4 5`} />`}
      ${added !== null && html`<text class="small" text-anchor="middle" x=${x + 20} y="136">${added < 0 ? "" : "+"}${number(added)}</text>`}
    </g>`;
  };
  const said = `${symbol} of this unit after each step: ${values.map((v, t) => `${tokens[t]} ${number(v)}`).join(", ")}`;
  return html`<div class="wide" tabindex="0" role="group" aria-label=${`${symbol} as a belt, drawing`}>
    <svg class="belt" width=${step * values.length + 20} height="146" role="img" aria-label=${said}>${values.map(box)}</svg>
  </div>`;
}

// Probabilities as bars.
export function Bars({ choices }) {
  return html`<ol class="bars">
    ${choices.map(
      ([name, p]) => html`<li>
        <span class="name">${showToken(name)}</span>
        <span class="track" aria-hidden="true"><span class="bar" style=${{ width: `${100 * p}%` }}></span></span>
        <span class="value">${percent(p)}</span>
      </li>`,
    )}
  </ol>`;
}

// Numbers as a line, with the numbers beneath.
export function Line({ values }) {
  const low = Math.min(0, ...values), high = Math.max(0, ...values), range = high - low || 1;
  const x = (k) => 10 + (k * 480) / Math.max(1, values.length - 1), y = (v) => 90 - (80 * (v - low)) / range;
  const numbers = values.map(number).join(", ");
  if (values.length === 1) return html`<p class="large">${numbers}</p>`;
  return html`<svg width="500" height="100" role="img" aria-label=${numbers}>
      <line class="frame" x1="0" x2="500" y1=${y(0)} y2=${y(0)} />
      <polyline class="line" points=${values.map((v, k) => `${x(k)},${y(v)}`).join(" ")} />
    </svg>
    <p class="numbers">${numbers}</p>`;
}
