// The tokens of a sequence as buttons: arrow keys, Home and End walk from step to step.
import { html, useRef } from "./vendor/preact-htm.js";
import { showToken, speakToken } from "./format.js";

export function Strip({ label, tokens, step, onStep }) {
  const list = useRef(null);
  const walk = (event) => {
    const last = tokens.length - 1;
    const to = { ArrowLeft: step - 1, ArrowRight: step + 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(last, to));
    onStep(next);
    list.current.children[next].focus();
  };
  return html`<div class="strip-row">
    <span class="label">${label}</span>
    <div class="strip" ref=${list} role="toolbar" aria-label=${label} onKeyDown=${walk}>
      ${tokens.map(
        (token, t) => html`<button type="button" tabindex=${t === step ? 0 : -1} aria-pressed=${t === step}
          aria-label=${`step ${t + 1}, ${speakToken(token)}`} onClick=${() => onStep(t)}>${showToken(token)}</button>`,
      )}
    </div>
    <span class="arrows">
      <button type="button" aria-label="previous step" disabled=${step === 0} onClick=${() => onStep(step - 1)}>←</button>
      <button type="button" aria-label="next step" disabled=${step === tokens.length - 1} onClick=${() => onStep(step + 1)}>→</button>
    </span>
  </div>`;
}
