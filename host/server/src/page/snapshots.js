// The snapshots of a sandbox, the latest first: what changed in each, and the way back to it.

import { Refusal, sandboxPath } from './client.js';
import { Keyed, byId, make, setText } from './dom.js';
import { isSure } from './sandbox.js';
import { bytes, clip, clock, count, milliseconds } from './show.js';

/** The most snapshots which are shown, and differences of one. */
const [SNAPSHOTS, DIFFERENCES] = [50, 200];

const MARKS = { added: '+', removed: '−', content: '~', replaced: '!', metadata: '·' };

const named = ({ id, names }) => (names.length ? clip(names.join(', '), 80) : id.slice(0, 12));

export class Snapshots {
  #panel = byId('snapshots');
  #rows = make('tbody');
  #none = make('p', { class: 'note' }, 'None was taken.');
  #said = make('p', { class: 'note', role: 'status' });
  #error = make('p', { class: 'error', role: 'alert' });
  #name = make('input', { id: 'snapshot-name', maxlength: '128', spellcheck: 'false', autocomplete: 'off' });
  #table;
  #shown = new Keyed(this.#rows, ({ id }) => id, (snapshot) => this.#row(snapshot));
  #sandbox = null;

  /** `changed` is called when something was done. */
  constructor(client, mayAct, changed) {
    Object.assign(this, { client, mayAct, changed });
    const heads = ['Taken', 'Snapshot', 'Files', 'Changes', ''].map((name) => make('th', { scope: 'col' }, name));
    this.#table = make('table', {}, make('thead', {}, make('tr', {}, heads)), this.#rows);
    const take = make('button', { type: 'submit' }, 'Take a snapshot');
    const form = make(
      'form',
      { class: 'line', hidden: !mayAct, on: { submit: (event) => this.#take(event) } },
      make('label', { for: 'snapshot-name' }, 'Name, if it is to have one'),
      this.#name,
      take,
    );
    const scroll = make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-labelledby': 'snapshots-title' });
    scroll.append(this.#table);
    const title = make('h2', { id: 'snapshots-title' }, 'Snapshots');
    this.#panel.append(title, form, this.#said, this.#error, this.#none, scroll);
  }

  static path = (id) => sandboxPath(id, `/snapshots?limit=${SNAPSHOTS}`);

  /** Those of a sandbox; `null` where they cannot be told. */
  show(sandbox, snapshots) {
    this.#panel.hidden = !sandbox || !snapshots;
    if (this.#sandbox?.id !== sandbox?.id) {
      setText(this.#said, '');
      setText(this.#error, '');
      this.#rows.replaceChildren();
      this.#shown = new Keyed(this.#rows, ({ id }) => id, (snapshot) => this.#row(snapshot));
    }
    this.#sandbox = sandbox;
    this.#shown.show(snapshots ?? []);
    this.#table.hidden = !snapshots?.length;
    this.#none.hidden = !this.#table.hidden;
  }

  #row({ id }) {
    const [taken, files, changes] = [make('td'), make('td'), make('td')];
    const name = make('th', { scope: 'row' });
    const differences = make('ul', { class: 'differences', hidden: true });
    const look = make('button', { type: 'button', class: 'quiet', 'aria-expanded': 'false' }, 'What changed');
    look.addEventListener('click', () => this.#look(id, look, differences));
    const back = make('button', { type: 'button', class: 'quiet', hidden: !this.mayAct }, 'Go back to it');
    const buttons = make('td', {}, make('div', { class: 'buttons' }, look, back), differences);
    const element = make('tr', {}, taken, name, files, changes, buttons);
    const update = (snapshot) => {
      setText(taken, clock(snapshot.taken_at));
      setText(name, named(snapshot) + (snapshot.pinned ? ' (pinned)' : ''));
      name.title = snapshot.description ? clip(snapshot.description, 300) : id;
      setText(files, `${count(snapshot.files)}, ${bytes(snapshot.bytes)}`);
      setText(changes, `+${count(snapshot.added)} ~${count(snapshot.changed)} −${count(snapshot.removed)}`);
      back.onclick = () => this.#goBack(snapshot);
    };
    return { element, update };
  }

  async #look(id, button, list) {
    if (!list.hidden) {
      list.hidden = true;
      button.setAttribute('aria-expanded', 'false');
      return;
    }
    await this.#attempt(async () => {
      const path = sandboxPath(this.#sandbox.id, `/snapshots/${id}/diff?limit=${DIFFERENCES}`);
      const { differences, truncated } = await this.client.get(path);
      const items = differences.map((one) => make('li', {}, `${MARKS[one.kind] ?? '?'} ${clip(one.path, 300)}`));
      if (truncated) items.push(make('li', { class: 'note' }, 'and more'));
      if (!items.length) items.push(make('li', { class: 'note' }, 'nothing'));
      list.replaceChildren(...items);
      list.hidden = false;
      button.setAttribute('aria-expanded', 'true');
    });
  }

  async #take(event) {
    event.preventDefault();
    const name = this.#name.value.trim();
    await this.#attempt(async () => {
      const taken = await this.client.post(sandboxPath(this.#sandbox.id, '/snapshots'), name ? { name } : {});
      this.#name.value = '';
      setText(this.#said, `Taken: ${named(taken)}`);
    });
  }

  async #goBack(snapshot) {
    const { id } = this.#sandbox;
    const sure = 'Its processes end. A snapshot of what is there now is taken first, so that this can be undone.';
    if (!(await isSure(`Go back to ${named(snapshot)}?`, sure, 'Go back'))) return;
    await this.#attempt(async () => {
      const done = await this.client.post(sandboxPath(id, '/rollback'), { to: snapshot.id });
      const outside = done.outside.length ? ` ${count(done.outside.length)} changes in mounted directories stay.` : '';
      setText(this.#said, `Went back in ${milliseconds(done.elapsed_ms)}.${outside}`);
    });
  }

  async #attempt(work) {
    setText(this.#error, '');
    try {
      await work();
    } catch (error) {
      setText(this.#error, error instanceof Refusal ? error.message : 'The server did not answer.');
    } finally {
      this.changed();
    }
  }
}
