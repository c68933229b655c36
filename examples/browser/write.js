// Writes a text character by character with onnxruntime-web, from the files of
// `python -m rnnzoo.convert EXPORT --to=onnx --signature=step --out=examples/browser/model`.

const SPECIAL_TOKENS = 3; // never written
const element = (id) => document.getElementById(id);

class CharacterModel {
  static async load(folder) {
    const model = new CharacterModel();
    const response = await fetch(`${folder}/model.json`);
    if (!response.ok) throw new Error(`there is no ${folder}/model.json: convert an export first, see README.md`);
    model.description = await response.json();
    model.step = model.description.signatures.step;
    model.vocabulary = model.description.vocabulary;
    model.ids = new Map(model.vocabulary.map((token, id) => [token, id]));
    model.session = await ort.InferenceSession.create(`${folder}/${model.step.file}`);
    model.reset();
    return model;
  }

  reset() {
    this.state = {};
    for (const { input, initial } of this.step.states) {
      const shape = [1, ...this.step.inputs.find(({ name }) => name === input).shape.slice(1)];
      const size = shape.reduce((product, n) => product * n, 1);
      const values = Array.isArray(initial) ? Float32Array.from(initial.flat(Infinity)) : new Float32Array(size).fill(initial);
      this.state[input] = new ort.Tensor("float32", values, shape);
    }
  }

  // Reads one token and returns the logits of the next one.
  async read(id) {
    const inputs = new ort.Tensor("int32", Int32Array.of(id), [1]);
    const results = await this.session.run({ inputs, ...this.state });
    for (const { input, output } of this.step.states) this.state[input] = results[output];
    return results.outputs.data;
  }

  id(character) {
    return this.ids.get(character) ?? this.description.special_ids.unknown;
  }
}

// The most probable token at temperature 0, else a sample.
function choose(logits, temperature) {
  let best = -Infinity;
  let chosen = SPECIAL_TOKENS;
  for (let id = SPECIAL_TOKENS; id < logits.length; id++) {
    const gumbel = temperature > 0 ? -Math.log(-Math.log(Math.random())) * temperature : 0;
    if (logits[id] + gumbel > best) [best, chosen] = [logits[id] + gumbel, id];
  }
  return chosen;
}

async function write(model, isStopped) {
  const beginning = element("beginning").value;
  const length = Number(element("length").value);
  const temperature = Number(element("temperature").value);
  const text = element("text");
  text.textContent = beginning;
  model.reset();
  const started = performance.now();
  let logits = await model.read(model.description.special_ids.begin_and_end);
  for (const character of beginning) logits = await model.read(model.id(character));
  let written = 0;
  while (written < length && !isStopped()) {
    const id = choose(logits, temperature);
    text.textContent += model.vocabulary[id];
    logits = await model.read(id);
    written += 1;
    if (written % 20 === 0) await new Promise(requestAnimationFrame); // the page is drawn
  }
  const milliseconds = (performance.now() - started) / Math.max(1, [...beginning].length + written + 1);
  element("status").textContent = `${written} characters, ${milliseconds.toFixed(3)} ms a character`;
}

async function main() {
  let stopped = false;
  try {
    ort.env.wasm.numThreads = 1; // several threads need a server that isolates the page, and gain nothing here
    const model = await CharacterModel.load("model");
    element("write").addEventListener("click", async () => {
      stopped = false;
      element("write").disabled = true;
      element("stop").disabled = false;
      element("status").textContent = "Writing ...";
      await write(model, () => stopped);
      element("write").disabled = false;
      element("stop").disabled = true;
    });
    element("stop").addEventListener("click", () => (stopped = true));
    element("write").disabled = false;
    element("status").textContent = "Ready.";
  } catch (error) {
    element("status").textContent = `The model could not be loaded: ${error.message}`;
  }
}

main();
