// Walks through a sequence, an encoder-decoder and a tree.
import { html, useState } from "./vendor/preact-htm.js";
import { Bars, Line, Squares } from "./drawings.js";
import { number, percent, showToken, speakToken } from "./format.js";
import { Layers } from "./layers.js";
import { Strip } from "./strip.js";

function Expected({ expected, step, token }) {
  const { about, choices, labels, values } = expected;
  const first = choices ? choices[step][0] : null;
  const said = first ? `${speakToken(first[0])}, ${percent(first[1])}` : values[step].map(number).join(", ");
  return html`<section aria-label="What it expects">
    <h2>After <q>${showToken(token)}</q>: ${about}</h2>
    <p class="hidden" role="status">step ${step + 1}, ${speakToken(token)}: ${said}</p>
    ${labels && html`<p class="large">In the sequence: ${labels[step]}</p>`}
    ${choices ? html`<${Bars} choices=${choices[step]} />` : html`<${Line} values=${values[step]} />`}
  </section>`;
}

export function SequenceWalk({ result, onAsk }) {
  const [chosen, setStep] = useState(0), step = Math.min(chosen, result.inputs.length - 1);
  return html`
    <${Strip} label="Input" tokens=${result.inputs} step=${step} onStep=${setStep} />
    <${Expected} expected=${result.expected} step=${step} token=${result.inputs[step]} />
    ${result.layers.length > 0 && html`<${Layers} layers=${result.layers} tokensOf=${() => result.inputs} stepOf=${() => step}
      onStep=${(_, t) => setStep(t)} onAsk=${onAsk} />`}`;
}

export function PairWalk({ result, onAsk }) {
  const { inputs, outputs, attention, beams } = result;
  const [read, setRead] = useState(0), [written, setWritten] = useState(0);
  const input = Math.min(read, inputs.length - 1), output = Math.min(written, outputs.length - 1);
  const isOutput = (layer) => layer.of === "outputs";
  return html`
    <${Strip} label="Input" tokens=${inputs} step=${input} onStep=${setRead} />
    <${Strip} label="Output" tokens=${outputs} step=${output} onStep=${setWritten} />
    <${Expected} expected=${result.expected} step=${output} token=${output ? outputs[output - 1] : "<s>"} />
    ${attention && html`<${Squares} title="Attention: where it looks for each output token, so far" tall=${true}
      rows=${outputs.slice(0, output + 1)} columns=${inputs} value=${(r, c) => attention[r][c]} limit=${1}
      picked=${-1} pickedRow=${output} onPick=${(r, c) => (setWritten(r), setRead(c))} />`}
    ${beams && html`<${Beams} hypotheses=${beams[Math.min(output, beams.length - 1)]} step=${output} />`}
    <${Layers} layers=${result.layers} tokensOf=${(layer) => (isOutput(layer) ? outputs : inputs)}
      stepOf=${(layer) => (isOutput(layer) ? output : input)} onStep=${(layer, t) => (isOutput(layer) ? setWritten(t) : setRead(t))}
      onAsk=${onAsk} />`;
}

function Beams({ hypotheses, step }) {
  return html`<table class="beams">
    <caption>Beams after ${step + 1} steps</caption>
    <tr><th scope="col">so far</th><th scope="col">log-probability</th></tr>
    ${hypotheses.map(({ tokens, score }) => html`<tr><td>${tokens.map(showToken).join(" ") || "(nothing)"}</td><td>${number(score)}</td></tr>`)}
  </table>`;
}

export function TreeWalk({ result }) {
  const { nodes, about } = result, root = nodes.length - 1;
  const [chosen, choose] = useState(root), node = Math.min(chosen, root);
  const children = nodes.map((_, k) => nodes.flatMap(({ parent }, child) => (parent === k ? [child] : [])));
  const places = [];
  let leaves = 0;
  const place = (k, depth) => {
    const inner = children[k].map((child) => place(child, depth + 1));
    const x = inner.length ? (inner[0] + inner.at(-1)) / 2 : leaves++;
    places[k] = { x, depth };
    return x;
  };
  place(root, 0);
  const at = (k) => ({ x: 40 + 76 * places[k].x, y: 30 + 62 * places[k].depth });
  const height = 70 + 62 * Math.max(...places.map(({ depth }) => depth));
  const key = (k) => (event) => ["Enter", " "].includes(event.key) && (event.preventDefault(), choose(k));
  const show = ({ token, choices }, k) => {
    const { x, y } = at(k), [label, p] = choices[0];
    return html`<g class=${`pickable node${k === node ? " chosen" : ""}`} role="button" tabindex="0" onKeyDown=${key(k)} onClick=${() => choose(k)}
      aria-pressed=${k === node} aria-label=${`${token || "inner node"}, level ${places[k].depth + 1}: ${label}, ${percent(p)}`}>
      <rect x=${x - 35} y=${y - 19} width="70" height="38" rx="4" />
      <text text-anchor="middle" x=${x} y=${y - 4}>${token.length > 9 ? `${token.slice(0, 8)}…` : showToken(token)}</text>
      <text class="small" text-anchor="middle" x=${x} y=${y + 12}>${label.slice(0, 8)} ${percent(p)}</text>
    </g>`;
  };
  return html`<section aria-label="Tree">
    <h2>The tree, and what each node says</h2>
    <div class="wide" tabindex="0" role="group" aria-label="tree, drawing">
      <svg class="tree" width=${80 + 76 * (leaves - 1)} height=${height}>
        ${nodes.map(({ parent }, k) => parent !== null && html`<line class="frame" x1=${at(k).x} y1=${at(k).y} x2=${at(parent).x} y2=${at(parent).y} />`)}
        ${nodes.map(show)}
      </svg>
    </div>
    <h2>${about}: ${showToken(nodes[node].token)}</h2>
    ${!nodes[node].known && html`<p class="note">The model does not know this token.</p>`}
    <${Bars} choices=${nodes[node].choices} />
  </section>`;
}
