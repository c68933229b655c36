// The values of one layer: gates, states and equations of a chosen unit at a chosen step.
import { html, useState } from "./vendor/preact-htm.js";
import { Belt, Gauges, Squares } from "./drawings.js";
import { fill, fillNumbers, number, symbols } from "./format.js";

const KEEPS = ["forget", "update"]; // gates that keep a part of the state
const largest = (rows) => Math.max(1e-6, ...rows.flat().map(Math.abs));

export function Layers({ layers, tokensOf, stepOf, onStep, onAsk }) {
  const [chosen, choose] = useState(0), [unit, setUnit] = useState(null);
  const layer = layers[Math.min(chosen, layers.length - 1)];
  const tokens = tokensOf(layer), step = stepOf(layer);
  const column = Math.max(0, layer.units.indexOf(unit ?? layer.units[0]));
  const pick = (row, t) => (setUnit(layer.units[row]), onStep(layer, t));
  const ask = (event) => {
    event.preventDefault();
    const wanted = Number(new FormData(event.currentTarget).get("unit"));
    setUnit(wanted);
    if (!layer.units.includes(wanted)) onAsk(wanted);
  };
  return html`<section aria-label="Layers">
    <div class="row">
      ${layers.length > 1 && html`<label>Layer
        <select value=${chosen} onChange=${(event) => choose(Number(event.currentTarget.value))}>
          ${layers.map(({ name }, k) => html`<option value=${k}>${name}</option>`)}
        </select></label>`}
      <label>Unit
        <select value=${layer.units[column]} onChange=${(event) => setUnit(Number(event.currentTarget.value))}>
          ${layer.units.map((k) => html`<option value=${k}>${k}</option>`)}
        </select></label>
      <form class="inline" onSubmit=${ask}>
        <label>or number <input name="unit" type="number" min="0" max=${layer.size - 1} required size="5" /></label>
        <button>show</button>
      </form>
      <span>${layer.name}: ${layer.cell}, ${layer.size} units${layer.backward ? ", reads from the end" : ""}; those that vary most are shown</span>
    </div>
    <${Unit} layer=${layer} column=${column} step=${step} tokens=${tokens} onStep=${(t) => onStep(layer, t)} />
    <h3>All shown units</h3>
    <p class="note">The size of a square is a value, hollow ones are negative. A click chooses unit and step.</p>
    ${Object.entries(layer.states).map(([symbol, values]) => html`<${Squares} title=${`State ${symbol}`} rows=${layer.units}
      columns=${tokens} value=${(r, c) => values[c][r]} limit=${largest(values)} picked=${step} pickedRow=${column} onPick=${pick} />`)}
    ${Object.entries(layer.gates).map(([name, values]) => html`<${Squares} title=${name === "candidate" ? "Candidate" : `${name} gate`}
      rows=${layer.units} columns=${tokens} value=${(r, c) => values[c][r]} limit=${1} picked=${step} pickedRow=${column} onPick=${pick} />`)}
  </section>`;
}

function Unit({ layer, column, step, tokens, onStep }) {
  const gates = Object.entries(layer.gates).map(([name, values]) => [name, values[step][column]]);
  const states = Object.entries(layer.states), [symbol, carried] = states[states.length - 1];
  const keeps = KEEPS.map((name) => layer.gates[name]).find(Boolean);
  const order = layer.backward ? [...tokens.keys()].reverse() : [...tokens.keys()]; // the belt runs as the layer reads
  const ordered = (values) => order.map((t) => values[t][column]);
  return html`
    <h3>Unit ${layer.units[column]} at step ${step + 1}</h3>
    <div class="row">
      ${gates.length > 0 && html`<${Gauges} gates=${gates} />`}
      <p>${states.map(([name, values]) => html`<span class="large">${symbols(`${name}_t`)} = ${number(values[step][column])}</span> `)}</p>
    </div>
    <figure>
      <figcaption>${symbols(`${symbol}_t`)} on its way through time${keeps ? ": × what is kept, + what is added" : ""}</figcaption>
      <${Belt} symbol=${symbol} values=${ordered(carried)} keep=${keeps && ordered(keeps)} tokens=${order.map((t) => tokens[t])}
        picked=${order.indexOf(step)} onPick=${(k) => onStep(order[k])} />
    </figure>
    ${layer.equations.length > 0 && html`<table class="equations">
      <caption>Equations of this unit at this step</caption>
      ${layer.equations.map((equation) => html`<${Equation} equation=${equation} values=${equation.values[step][column]} />`)}
    </table>`}`;
}

function Equation({ equation, values }) {
  if (!values) return null; // of a part with fewer units
  const terms = values.slice(0, -1), formula = fill(equation.formula, equation.names);
  return html`<tr>
    ${equation.part && html`<td class="part">${symbols(equation.part)}</td>`}
    <td>${symbols(`${equation.symbol} = ${formula}`)}</td>
    <td>${symbols(`= ${fillNumbers(equation.formula, terms)}`)}</td>
    <td>= <strong>${number(values.at(-1))}</strong></td>
  </tr>`;
}
