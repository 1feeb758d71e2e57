// The events of the server as they come. `EventSource` cannot send a key, so this reads the stream itself.

import { Refusal } from './client.js';

/** Before the first event of any run: the server then begins with the oldest that it has. */
const BEGINNING = '00000000-0';
/** The server sends a comment every 15 s; a stream which is silent for longer than this is dead. */
const SILENCE = 45_000;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
/** The most characters of one event. */
const MOST = 8 << 20;

/** Splits a stream of server-sent events; gives `{id, name, data}` for each. */
export class Splitter {
  #rest = '';
  #id = null;
  #name = '';
  #data = [];
  #size = 0;

  *push(text) {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop();
    this.#size += text.length;
    if (this.#size > MOST) throw new RangeError('an event is too long');
    for (const line of lines) {
      const event = this.#line(line.endsWith('\r') ? line.slice(0, -1) : line);
      if (event) yield event;
    }
  }

  #line(line) {
    if (line === '') {
      const event = this.#data.length ? { id: this.#id, name: this.#name, data: this.#data.join('\n') } : null;
      [this.#name, this.#data, this.#size] = ['', [], 0];
      return event;
    }
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (field === 'id') this.#id = value;
    if (field === 'event') this.#name = value;
    if (field === 'data') this.#data.push(value);
    return null;
  }
}

/**
 * Follows `/v1/events` until `signal` aborts, from the oldest event which the server has, and after a break from where
 * it was. A page which nobody sees holds no connection: browsers have few of them for one server.
 *
 * `on.event(name, data)` is told of each, `on.state` of `live`, `waiting` and `hidden`.
 */
export async function follow(client, signal, on) {
  let last = BEGINNING;
  let wait = FIRST_WAIT;
  while (!signal.aborted) {
    await visible(signal, on);
    if (signal.aborted) return;
    const stop = new AbortController();
    const hide = () => document.hidden && stop.abort();
    document.addEventListener('visibilitychange', hide);
    try {
      const headers = { Accept: 'text/event-stream', 'Last-Event-ID': last };
      const reach = AbortSignal.any([signal, stop.signal]);
      const response = await client.send('GET', '/v1/events', { headers, signal: reach });
      on.state('live');
      for await (const event of read(response.body, stop)) {
        wait = FIRST_WAIT;
        // What is missed before the first event is what happened before anybody asked.
        if (!(event.name === 'missed' && last === BEGINNING)) on.event(event.name, JSON.parse(event.data));
        last = event.id ?? last;
      }
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) return;
      if (error instanceof Refusal && error.status === 400) last = BEGINNING;
    } finally {
      document.removeEventListener('visibilitychange', hide);
      stop.abort();
    }
    if (signal.aborted || document.hidden) continue;
    on.state('waiting');
    await sleep(wait * (0.75 + Math.random() / 2), signal);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

async function* read(body, stop) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const splitter = new Splitter();
  let timer;
  try {
    for (;;) {
      clearTimeout(timer);
      timer = setTimeout(() => stop.abort(), SILENCE);
      const { value, done } = await reader.read();
      if (done) return;
      yield* splitter.push(value);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves once somebody can see the page, or when `signal` aborts. */
async function visible(signal, on) {
  if (!document.hidden) return;
  on.state('hidden');
  await new Promise((resolve) => {
    const look = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener('visibilitychange', look);
      signal.removeEventListener('abort', look);
      resolve();
    };
    document.addEventListener('visibilitychange', look);
    signal.addEventListener('abort', look);
  });
}

/** Resolves after so many milliseconds, or when `signal` aborts. */
function sleep(time, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, time);
    signal.addEventListener('abort', end);
  });
}
