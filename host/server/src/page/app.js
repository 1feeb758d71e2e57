// The page of what runs: a key, then what the server tells to it.

import { Call } from './call.js';
import { Client, Refusal, isKey, sandboxPath } from './client.js';
import { Keyed, byId, make, setText } from './dom.js';
import { Feed } from './feed.js';
import { follow } from './follow.js';
import { Head, Processes, badge, chips } from './sandbox.js';
import { bytes, clip, count, nameOf } from './show.js';
import { Snapshots } from './snapshots.js';
import { Usage } from './usage.js';

/** Where the key is, until the tab is closed. */
const KEPT = 'palisade-key';
const EVERY = 5_000;
/** Many events come at one time; what they changed is asked for once. */
const SETTLE = 1_000;
/** Sandboxes in the list, at first and at most. */
const [FEW, MOST] = [100, 1_000];

const STATES = {
  live: 'live',
  waiting: 'the connection is lost; trying again',
  hidden: 'paused',
};

const chosen = () => /^#([0-9a-f]{16})$/.exec(location.hash)?.[1] ?? null;

/** What is shown to who has a key. */
class Board {
  #end = new AbortController();
  #list = new List(() => this.#more());
  #usage = new Usage();
  #processes = new Processes();
  #feed = new Feed();
  #most = FEW;
  #asking = false;
  #again = false;
  #timer;

  constructor(client, mayAct) {
    this.client = client;
    this.head = new Head(client, mayAct, () => this.#soon());
    this.snapshots = new Snapshots(client, mayAct, () => this.#soon());
    this.call = mayAct ? new Call(client, this.#end.signal) : null;
    byId('call').hidden = !mayAct;
  }

  start() {
    const { signal } = this.#end;
    window.addEventListener('hashchange', () => this.#choose(), { signal });
    document.addEventListener('visibilitychange', () => this.#soon(), { signal });
    setInterval(() => document.hidden || this.#soon(), EVERY);
    follow(this.client, signal, {
      state: (state) => {
        setText(byId('link'), STATES[state]);
        byId('link').className = `link ${state}`;
      },
      event: (name, data) => {
        this.#feed.push(name, data);
        this.#soon();
      },
    });
    this.#choose();
  }

  #choose() {
    this.#feed.only(chosen());
    this.#list.mark(chosen());
    this.#refresh();
  }

  #more() {
    this.#most = MOST;
    this.#soon();
  }

  #soon() {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#refresh();
    }, SETTLE);
  }

  /** Asks for what is shown; once at a time. */
  async #refresh() {
    this.#again = this.#asking;
    if (this.#asking) return;
    this.#asking = true;
    try {
      await this.#ask();
    } catch {
      // The state of the events says that the server is away.
    } finally {
      this.#asking = false;
      if (this.#again) this.#soon();
    }
  }

  async #ask() {
    const id = chosen();
    const options = { signal: this.#end.signal };
    const [page, usage, started, snapshots] = await Promise.all([
      this.client.get(`/v1/sandboxes?limit=${this.#most}`, options),
      this.#perhaps(id ? sandboxPath(id, '/usage') : '/v1/usage'),
      id && this.#perhaps(sandboxPath(id, '/processes')),
      id && this.#perhaps(Snapshots.path(id), [404, 409, 501]),
      this.call?.offerTools(),
    ]);
    const listed = page.sandboxes.find((sandbox) => sandbox.id === id);
    const sandbox = listed ?? (id && (await this.#perhaps(sandboxPath(id))));
    if (chosen() !== id) return;
    this.#list.show(page, this.#most < MOST);
    this.#usage.show(usage, sandbox);
    this.#processes.show(sandbox, started?.processes ?? [], (process) => this.#feed.programOf(id, process));
    this.snapshots.show(sandbox, snapshots?.snapshots ?? null);
    this.call?.offer(listed || !sandbox ? page.sandboxes : [sandbox, ...page.sandboxes], id);
    if (sandbox) this.head.show(sandbox);
    else if (id) this.head.showGone(id);
    else this.head.showAll(page.sandboxes, page.next !== null);
    document.title = sandbox ? `${nameOf(sandbox)} – palisade` : 'palisade';
  }

  /** `null` where there is no such thing, or another reason among these not to tell. */
  async #perhaps(path, reasons = [404]) {
    try {
      return await this.client.get(path, { signal: this.#end.signal });
    } catch (error) {
      if (error instanceof Refusal && reasons.includes(error.status)) return null;
      throw error;
    }
  }
}

/** The sandboxes, each a link to what is told of it. */
class List {
  #all = make('a', { href: '#', class: 'all' }, 'All sandboxes');
  #items = make('ul');
  #more;
  #shown = new Keyed(this.#items, ({ id }) => id, (sandbox) => this.#item(sandbox));
  #links = new Map();

  constructor(more) {
    const button = make('button', { type: 'button', class: 'quiet', on: { click: more } }, 'Show more');
    this.#more = make('div', { hidden: true }, make('p', { class: 'note' }, 'There are more than these.'), button);
    this.button = button;
    byId('list').append(this.#all, this.#items, this.#more);
  }

  show({ sandboxes, next }, canShowMore) {
    const ids = new Set(sandboxes.map(({ id }) => id));
    for (const id of this.#links.keys()) if (!ids.has(id)) this.#links.delete(id);
    this.#shown.show(sandboxes);
    this.#more.hidden = next === null;
    this.button.hidden = !canShowMore;
    this.mark(chosen());
  }

  mark(id) {
    const links = [[null, this.#all], ...this.#links];
    for (const [key, link] of links) {
      if (key === id) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
  }

  #item({ id }) {
    const [name, state, facts] = [make('span', { class: 'title' }), make('span'), make('span', { class: 'note' })];
    const labels = make('ul', { class: 'chips', 'aria-label': 'Labels' });
    const link = make('a', { href: `#${id}` }, make('span', { class: 'line' }, name, state), facts, labels);
    this.#links.set(id, link);
    const update = (sandbox) => {
      setText(name, nameOf(sandbox));
      state.replaceChildren(badge(sandbox.state));
      const { memory_bytes: memory, processes } = sandbox.usage;
      const running = processes === 1 ? '1 process' : `${count(processes)} processes`;
      setText(facts, [clip(sandbox.policy ?? '', 40), running, bytes(memory)].filter(Boolean).join(' · '));
      labels.replaceChildren(...chips(sandbox.labels).slice(0, 4));
    };
    return { element: make('li', {}, link), update };
  }
}

function forget(message = '') {
  sessionStorage.removeItem(KEPT);
  if (message) sessionStorage.setItem('palisade-why', message);
  // A new page has nothing of what was shown.
  location.reload();
}

function ask(message = '') {
  byId('enter').hidden = false;
  setText(byId('enter-error'), message);
  byId('key').focus();
}

/** Shows the board, if the server takes the key; says why not otherwise. */
async function enter(key) {
  if (!isKey(key)) return ask('This is no key: one has neither spaces nor accents.');
  let own;
  try {
    own = await new Client(key).get('/v1/about');
  } catch (error) {
    const isWrong = error instanceof Refusal && error.status === 401;
    if (isWrong) sessionStorage.removeItem(KEPT);
    return ask(isWrong ? 'The server does not know this key.' : 'The server did not answer. Is it running?');
  }
  sessionStorage.setItem(KEPT, key);
  byId('key').value = '';
  byId('enter').hidden = true;
  byId('board').hidden = false;
  byId('leave').hidden = false;
  setText(byId('who'), own.role);
  const client = new Client(key, () => forget('The server does not know this key any more.'));
  new Board(client, own.role !== 'reader').start();
}

byId('enter-form').addEventListener('submit', (event) => {
  event.preventDefault();
  enter(byId('key').value.trim());
});
byId('leave').addEventListener('click', () => forget());
byId('skip').addEventListener('click', () => byId(byId('board').hidden ? 'enter' : 'view').focus());

const why = sessionStorage.getItem('palisade-why') ?? '';
sessionStorage.removeItem('palisade-why');
const kept = sessionStorage.getItem(KEPT);
if (kept) enter(kept);
else ask(why);
