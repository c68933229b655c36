// Text that a language model writes, asked for over REST as any client would.
import { html, useState } from "./vendor/preact-htm.js";
import { ask } from "./requests.js";

export function Generation({ name, prompt }) {
  const [text, setText] = useState(null), [error, setError] = useState(""), [busy, setBusy] = useState(false);
  const write = async (event) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget), value = (field) => Number(given.get(field));
    const inputs = { prompt: [given.get("prompt")], length: [value("length")], temperature: [value("temperature")] };
    setBusy(true);
    try {
      const body = { signature_name: "generate", inputs: { ...inputs, top_k: [value("top_k")], seed: [value("seed")] } };
      const { outputs } = await ask(`v1/models/${encodeURIComponent(name)}:predict`, body);
      setText((outputs.text ?? outputs)[0]);
      setError("");
    } catch (problem) {
      setError(problem.message);
    }
    setBusy(false);
  };
  return html`<section aria-label="Generation">
    <h2>Let it write</h2>
    <form id="generation" onSubmit=${write}>
      <label>Prompt<textarea name="prompt" rows="2" spellcheck="false" key=${prompt}>${prompt}</textarea></label>
      <div class="row">
        <label>Length <input name="length" type="number" min="0" max="2000" value="200" required /></label>
        <label>Temperature <input name="temperature" type="number" min="0" step="any" value="0.7" required /></label>
        <label>Top-k, 0: all <input name="top_k" type="number" min="0" value="0" required /></label>
        <label>Seed <input name="seed" type="number" min="0" value="1" required /></label>
        <button disabled=${busy}>Write</button>
      </div>
    </form>
    ${error && html`<p role="alert">${error}</p>`}
    ${text !== null && html`<pre id="generated" role="status" tabindex="0">${text}</pre>`}
  </section>`;
}
