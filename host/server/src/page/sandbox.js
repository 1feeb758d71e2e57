// One sandbox, or all of them where none is chosen: its name, state and limits, what can be done to it, its processes.

import { Refusal, sandboxPath } from './client.js';
import { Keyed, byId, make, setText } from './dom.js';
import { clip, clock, coresAtMost, count, ending, milliseconds, moment, nameOf, tone } from './show.js';

/** What can be done in which states. */
const ACTIONS = {
  suspend: { label: 'Suspend', states: ['ready', 'running'] },
  resume: { label: 'Resume', states: ['suspended'] },
  stop: {
    label: 'Stop',
    states: ['ready', 'running', 'suspended'],
    sure: 'Its processes end, and it takes no others. Its files stay.',
  },
  destroy: {
    label: 'Destroy',
    states: ['ready', 'running', 'suspended', 'rolling-back', 'stopping', 'stopped', 'failed'],
    sure: 'Its processes end, and its files are removed. This cannot be undone.',
  },
};

/** The most processes which are shown. */
const PROCESSES = 50;

/** Asks whether something is meant. */
export function isSure(title, text, label) {
  const dialog = byId('ask');
  setText(byId('ask-title'), title);
  setText(byId('ask-text'), text);
  setText(byId('ask-yes'), label);
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}

export const badge = (state) => make('span', { class: `badge ${clip(state, 20)}` }, clip(state, 20));

/** The labels, without the one by which the sandbox is called. */
export const chips = (labels) =>
  Object.entries(labels ?? {})
    .filter(([name]) => name !== 'name')
    .slice(0, 20)
    .map(([name, value]) => make('li', {}, make('b', {}, clip(name, 60)), ` ${clip(value, 120)}`));

export class Head {
  #title = make('h1', { id: 'title' });
  #state = make('span');
  #facts = make('p', { class: 'facts' });
  #labels = make('ul', { class: 'chips', 'aria-label': 'Labels' });
  #error = make('p', { class: 'error', role: 'alert' });
  #buttons = {};
  #sandbox = null;

  /** `changed` is called when something was done. */
  constructor(client, mayAct, changed) {
    Object.assign(this, { client, mayAct, changed });
    for (const [name, { label }] of Object.entries(ACTIONS)) {
      const attributes = { type: 'button', class: name === 'destroy' ? 'danger' : null };
      this.#buttons[name] = make('button', { ...attributes, on: { click: () => this.#act(name) } }, label);
    }
    const line = make('div', { class: 'line' }, this.#title, this.#state);
    const buttons = make('div', { class: 'buttons' }, Object.values(this.#buttons));
    byId('head').append(line, this.#facts, this.#labels, buttons, this.#error);
  }

  showAll(sandboxes, more) {
    this.#forget(null);
    setText(this.#title, 'All sandboxes');
    const running = sandboxes.filter(({ state }) => state === 'running').length;
    const total = `${count(sandboxes.length)}${more ? ' or more' : ''}`;
    setText(this.#facts, sandboxes.length ? `${total}, of which ${count(running)} run something` : 'There are none.');
  }

  showGone(id) {
    this.#forget(id);
    setText(this.#title, id);
    setText(this.#facts, 'There is no such sandbox. If there was one, it has been destroyed.');
  }

  show(sandbox) {
    if (this.#sandbox?.id !== sandbox.id) setText(this.#error, '');
    this.#sandbox = sandbox;
    setText(this.#title, nameOf(sandbox));
    this.#state.replaceChildren(badge(sandbox.state));
    const { memory, time, fuel, cpu } = sandbox.limits;
    const facts = [
      sandbox.labels?.name ? sandbox.id : null,
      `policy ${clip(sandbox.policy ?? 'of its maker')}`,
      `up to ${memory}, ${coresAtMost(cpu)}, ${time} and ${typeof fuel === 'number' ? count(fuel) : fuel} fuel a process`,
      sandbox.expires_at ? `ends ${moment(sandbox.expires_at)}` : null,
    ];
    setText(this.#facts, facts.filter(Boolean).join(' · '));
    this.#labels.replaceChildren(...chips(sandbox.labels));
    for (const [name, { states }] of Object.entries(ACTIONS)) {
      this.#buttons[name].hidden = !this.mayAct || !states.includes(sandbox.state);
    }
  }

  #forget(id) {
    if (this.#sandbox?.id !== id) setText(this.#error, '');
    this.#sandbox = null;
    this.#state.replaceChildren();
    this.#labels.replaceChildren();
    for (const button of Object.values(this.#buttons)) button.hidden = true;
  }

  async #act(name) {
    const { sure, label } = ACTIONS[name];
    const { id } = this.#sandbox;
    // The name is a label, which anybody may have chosen.
    const shown = nameOf(this.#sandbox);
    const title = `${label} ${shown === id ? id : `${shown} (${id})`}?`;
    if (sure && !(await isSure(title, sure, label))) return;
    const button = this.#buttons[name];
    button.disabled = true;
    setText(this.#error, '');
    try {
      if (name === 'destroy') await this.client.remove(sandboxPath(id));
      else await this.client.post(sandboxPath(id, `/${name}`));
    } catch (error) {
      setText(this.#error, error instanceof Refusal ? error.message : 'The server did not answer.');
    } finally {
      button.disabled = false;
      this.changed();
    }
  }
}

export class Processes {
  #panel = byId('processes');
  #rows = make('tbody');
  #none = make('p', { class: 'note' }, 'None runs, and none was started here.');
  #table = make(
    'table',
    {},
    make('thead', {}, make('tr', {}, ['Process', 'Program', 'Started', 'Now'].map((name) => make('th', { scope: 'col' }, name)))),
    this.#rows,
  );
  #shown = new Keyed(this.#rows, ({ process }) => process, Processes.#row);

  constructor() {
    const scroll = make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-labelledby': 'processes-title' });
    scroll.append(this.#table);
    this.#panel.append(make('h2', { id: 'processes-title' }, 'Processes'), this.#none, scroll);
  }

  /** Those which run, by number, and those which were started over HTTP; `programOf` knows the programs of the others. */
  show(sandbox, started, programOf) {
    this.#panel.hidden = !sandbox;
    if (!sandbox) return;
    const known = new Set(started.map(({ process }) => process));
    const others = sandbox.processes.filter((process) => !known.has(process));
    const rows = [
      ...started,
      ...others.map((process) => ({ process, program: programOf(process) ?? '–', state: 'running' })),
    ];
    rows.sort((one, other) => other.process - one.process);
    this.#shown.show(rows.slice(0, PROCESSES));
    this.#table.hidden = rows.length === 0;
    this.#none.hidden = rows.length > 0;
  }

  static #row({ process }) {
    const [program, started, now] = [make('td'), make('td'), make('td')];
    const element = make('tr', {}, make('th', { scope: 'row' }, String(process)), program, started, now);
    const update = (row) => {
      setText(program, clip(row.program));
      setText(started, clock(row.started));
      const { outcome, error } = row;
      const took = outcome && ` after ${milliseconds(outcome.usage?.elapsed_ms)}`;
      setText(now, outcome ? `${ending(outcome.ending)}${took}` : error ? clip(error.message) : 'running');
      now.className = outcome ? tone(outcome.ending) : error ? 'bad' : 'live';
    };
    return { element, update };
  }
}
