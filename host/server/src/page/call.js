// Calling a tool: a sandbox, a function, its arguments, and what became of it.

import { Refusal, sandboxPath } from './client.js';
import { denialCard } from './denial.js';
import { byId, make, setText } from './dom.js';
import { Form } from './form.js';
import { about, bytes, clip, count, ending, milliseconds, nameOf, tone } from './show.js';

/** The most characters of an answer which are shown. */
const LONGEST = 20_000;
/** The states in which a sandbox takes processes. */
const TAKES = ['ready', 'running'];

const select = (id, change) => make('select', { id, on: { change } });
const labelled = (name, input) => make('div', { class: 'field' }, make('label', { for: input.id }, name), input);
const option = (value, text) => make('option', { value }, text);

/** Gives a select these options, and leaves the one which was chosen where it is still there. */
function offer(input, options, nothing) {
  const known = [...input.options].map(({ value, text }) => `${value} ${text}`).join('\n');
  if (known === options.map(([value, text]) => `${value} ${text}`).join('\n') && options.length) return;
  const chosen = input.value;
  input.replaceChildren(...(options.length ? options.map(([value, text]) => option(value, text)) : [option('', nothing)]));
  if (options.some(([value]) => value === chosen)) input.value = chosen;
}

export class Call {
  #panel = byId('call');
  #sandboxes = select('call-sandbox', () => {});
  #tools = select('call-tool', () => this.#showTool());
  #functions = select('call-function', () => this.#showFunction());
  #docs = make('p', { class: 'docs' });
  #whole = make('input', { type: 'checkbox', id: 'call-whole', on: { change: () => this.#swap() } });
  #fields = make('div');
  #button = make('button', { type: 'submit', class: 'main' }, 'Call');
  #stop = make('button', { type: 'button', hidden: true, on: { click: () => this.#running?.abort() } }, 'Give up');
  #outcome = make('div', { class: 'outcome', role: 'status', 'aria-label': 'Outcome' });
  #form = new Form({}, false);
  #tool = null;
  #names = [];
  #running = null;

  constructor(client, signal) {
    this.client = client;
    this.signal = signal;
    const form = make(
      'form',
      { novalidate: true, on: { submit: (event) => (event.preventDefault(), this.#call()) } },
      make(
        'div',
        { class: 'choose' },
        labelled('Sandbox', this.#sandboxes),
        labelled('Tool', this.#tools),
        labelled('Function', this.#functions),
      ),
      this.#docs,
      this.#fields,
      make('div', { class: 'check' }, this.#whole, make('label', { for: 'call-whole' }, 'Write the arguments as JSON')),
      make('div', { class: 'buttons' }, this.#button, this.#stop),
    );
    this.#panel.append(make('h2', { id: 'call-title' }, 'Call a tool'), form, this.#outcome);
    this.#panel.hidden = false;
  }

  /** Offers what can be called, and the sandbox which is looked at. */
  offer(sandboxes, chosen) {
    const taking = sandboxes.filter(({ state }) => TAKES.includes(state));
    const options = taking.map((one) => [one.id, one.labels?.name ? `${nameOf(one)} (${one.id})` : one.id]);
    offer(this.#sandboxes, options, 'none takes calls now');
    if (chosen && taking.some(({ id }) => id === chosen)) this.#sandboxes.value = chosen;
  }

  async offerTools() {
    const { tools } = await this.client.get('/v1/tools', { signal: this.signal });
    const names = tools.filter(({ enabled, current }) => enabled && current).map(({ name }) => name);
    if (this.#tool && names.join() === this.#names.join()) return;
    this.#names = names;
    offer(this.#tools, names.map((name) => [name, clip(name, 80)]), 'there are no tools');
    await this.#showTool();
  }

  async #showTool() {
    const name = this.#tools.value;
    try {
      const tool = name && (await this.client.get(`/v1/tools/${encodeURIComponent(name)}`, { signal: this.signal }));
      // Another may have been chosen meanwhile.
      if (this.#tools.value !== name) return;
      this.#tool = tool || null;
    } catch (error) {
      this.#tool = null;
      this.#tell(error);
    }
    const functions = this.#tool?.functions ?? [];
    this.#functions.replaceChildren(...functions.map((one) => option(one.name, clip(one.name, 80))));
    this.#showFunction();
  }

  get #function() {
    return this.#tool?.functions.find(({ name }) => name === this.#functions.value);
  }

  #showFunction() {
    setText(this.#docs, clip(this.#function?.docs ?? '', 2_000));
    this.#button.disabled = !this.#function;
    this.#make();
  }

  #make() {
    this.#form = new Form(this.#function?.parameters, this.#whole.checked);
    this.#whole.disabled = this.#form.mustBeWhole;
    this.#fields.replaceChildren(this.#form.element);
  }

  /** From fields to JSON with what is filled in; the other way begins anew. */
  #swap() {
    const draft = this.#form.draft();
    this.#make();
    this.#form.fill(draft);
  }

  async #call() {
    const args = this.#form.values();
    if (args === null || this.#running) return;
    if (!this.#sandboxes.value) return this.#tell(new Refusal(0, { message: 'no sandbox takes calls now' }));
    const body = { tool: this.#tools.value, function: this.#functions.value, arguments: args };
    this.#running = new AbortController();
    this.#stop.hidden = false;
    this.#button.disabled = true;
    this.#outcome.replaceChildren(make('p', { class: 'note' }, 'It runs…'));
    try {
      const signal = AbortSignal.any([this.signal, this.#running.signal]);
      this.#showOutcome(await this.client.post(sandboxPath(this.#sandboxes.value, '/call'), body, { signal }));
    } catch (error) {
      this.#tell(error);
    } finally {
      this.#running = null;
      this.#stop.hidden = true;
      this.#button.disabled = !this.#function;
    }
  }

  #tell(error) {
    let message = 'The server did not answer.';
    if (error instanceof Refusal) message = clip(error.message, 2_000);
    if (error.name === 'AbortError') message = 'You gave up, so the call was ended.';
    const denials = (error.denials ?? []).slice(0, 20).map((denial) => denialCard(denial));
    this.#outcome.replaceChildren(make('p', { class: 'error' }, message), ...denials);
  }

  #showOutcome(outcome) {
    const { usage, limits_hit: limits = [], denials = [], more_denials: more = 0 } = outcome;
    const facts = [
      ['Took', milliseconds(usage.elapsed_ms)],
      ['Fuel', about(usage.fuel)],
      ['Memory', bytes(usage.peak_memory_bytes)],
      ['Read', bytes(usage.read_bytes)],
      ['Written', bytes(usage.written_bytes)],
    ];
    const texts = [
      ['Value', 'value' in outcome ? JSON.stringify(outcome.value, null, 2) : null],
      ['Printed', outcome.stdout],
      ['Printed, in base64', outcome.stdout_base64],
      ['Printed as errors', outcome.stderr],
      ['Printed as errors, in base64', outcome.stderr_base64],
    ];
    const list = facts.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value)));
    this.#outcome.replaceChildren(
      make('p', { class: `ended ${tone(outcome.ending)}` }, ending(outcome.ending)),
      ...texts.filter(([, text]) => text).flatMap(([name, text]) => printed(name, text)),
      make('dl', { class: 'totals' }, list),
      ...limits.map((limit) => make('p', { class: 'error' }, `It met its limit of ${clip(limit, 40)}.`)),
      ...denials.slice(0, 20).map((denial) => denialCard(denial)),
      more ? make('p', { class: 'note' }, `${count(more)} more were refused.`) : '',
    );
  }
}

function printed(name, text) {
  const id = `outcome-${name.replaceAll(/\W/g, '-')}`;
  const attributes = { tabindex: '0', role: 'region', 'aria-labelledby': id };
  return [make('h3', { id }, name), make('pre', attributes, clip(text, LONGEST))];
}
