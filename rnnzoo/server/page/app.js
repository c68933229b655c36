// The page: choose a model, give it a line, and walk through what it does.
import { html, render, useEffect, useState } from "./vendor/preact-htm.js";
import { Generation } from "./generation.js";
import { ask } from "./requests.js";
import { PairWalk, SequenceWalk, TreeWalk } from "./walks.js";

const WALKS = { sequence: SequenceWalk, pair: PairWalk, tree: TreeWalk };
const fromAddress = () => decodeURIComponent(location.hash.slice(1));

function App() {
  const [names, setNames] = useState([]), [name, setName] = useState(fromAddress()), [error, setError] = useState("");
  useEffect(() => {
    ask("page/models").then(({ models }) => {
      setNames(models);
      setName(models.includes(fromAddress()) ? fromAddress() : models[0]);
    }, (problem) => setError(problem.message));
    const follow = () => setName(fromAddress());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const choose = (event) => (location.hash = encodeURIComponent(event.currentTarget.value));
  return html`<header>
      <h1>rnnzoo</h1>
      <label>Model <select id="model" value=${name} onChange=${choose}>${names.map((n) => html`<option value=${n}>${n}</option>`)}</select></label>
      <a href=${`v1/models/${encodeURIComponent(name)}/metadata`}>signatures (REST)</a>
    </header>
    <main>
      ${error && html`<p role="alert">${error}</p>`}
      ${names.includes(name) && html`<${Model} key=${name} name=${name} />`}
    </main>`;
}

function Model({ name }) {
  const [description, setDescription] = useState(null), [error, setError] = useState(""), [busy, setBusy] = useState(false);
  const [line, setLine] = useState(""), [beams, setBeams] = useState(4), [result, setResult] = useState(null);
  const address = `page/models/${encodeURIComponent(name)}`;
  const walk = async (text, units = []) => {
    setBusy(true);
    try {
      setResult({ line: text, ...(await ask(`${address}/walk`, { line: text, units, beams })) });
      setError("");
    } catch (problem) {
      setError(problem.message);
    }
    setBusy(false);
  };
  useEffect(() => {
    ask(address).then((found) => {
      setDescription(found);
      setLine(found.examples[0] ?? "");
      if (found.examples.length) walk(found.examples[0]);
    }, (problem) => setError(problem.message));
  }, []);
  if (!description) return html`<p role=${error ? "alert" : "status"}>${error || "The model is loaded …"}</p>`;
  const Walk = result && WALKS[result.kind];
  const pick = (text) => (setLine(text), walk(text));
  return html`
    <p>${description.model}${description.task && `, trained on ${description.task}`}: ${description.parameters.toLocaleString("en")} parameters</p>
    <form onSubmit=${(event) => (event.preventDefault(), walk(line))}>
      ${description.labels.length > 0
        ? html`<label>Label <select id="line" value=${line} onChange=${(event) => setLine(event.currentTarget.value)}>${description.labels.map((l) => html`<option value=${l}>${l}</option>`)}</select></label>`
        : html`<label>Input: ${description.hint}<textarea id="line" rows="2" spellcheck="false" value=${line} onInput=${(event) => setLine(event.currentTarget.value)}></textarea></label>`}
      <div class="row">
        ${description.beams && html`<label>Beams <input id="beams" type="number" min="1" max="32" value=${beams} onInput=${(event) => setBeams(Number(event.currentTarget.value))} /></label>`}
        <button id="walk" disabled=${busy}>Walk through it</button>
        ${description.examples.length > 1 && html`<span>or ${description.examples.map((text) => html`<button type="button" class="example" onClick=${() => pick(text)}>${text}</button> `)}</span>`}
      </div>
    </form>
    ${error && html`<p role="alert">${error}</p>`}
    <div id="result" aria-busy=${busy} data-line=${result?.line}>${Walk && html`<${Walk} key=${result.line} result=${result} onAsk=${(unit) => walk(result.line, [unit])} />`}</div>
    ${description.generates && html`<${Generation} name=${name} prompt=${line} />`}`;
}

render(html`<${App} />`, document.getElementById("app"));
