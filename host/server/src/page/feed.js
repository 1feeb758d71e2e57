// What happens, as it comes: the latest events, and among them what was refused.

import { denialCard } from './denial.js';
import { Keyed, byId, make, setText } from './dom.js';
import { clip, clock, count, ending, milliseconds, moment, tone } from './show.js';

/** How many are kept, and how many of those are shown. */
const [KEPT, SHOWN] = [1_000, 100];
const [DENIALS_KEPT, DENIALS_SHOWN] = [200, 20];

/** What an event says, by its name; `tone` is how much it matters. */
const SAYS = {
  'sandbox-created': () => 'was made',
  'state-changed': ({ from, to }) => `${from} → ${to}`,
  'limits-changed': () => 'was given other limits',
  'process-started': ({ process, program }) => `process ${process} started: ${clip(program)}`,
  'process-ended': ({ process, ending: end, usage }) =>
    `process ${process} ended after ${milliseconds(usage?.elapsed_ms)}: ${ending(end)}`,
  'guest-denied': ({ process, denial }) => `process ${process} was refused ${clip(denial?.asked)}`,
  'request-denied': ({ denials }) => `a request was refused ${clip(denials?.map(({ asked }) => asked).join(', '))}`,
  'guest-logged': ({ process, level, context, message }) =>
    `process ${process} says (${level}${context ? `, ${clip(context, 60)}` : ''}): ${clip(message)}`,
  'guest-progressed': ({ process, done, total, message }) =>
    `process ${process} is at ${count(done)}${total == null ? '' : ` of ${count(total)}`}: ${clip(message)}`,
  'limit-hit': ({ process, limit }) => `process ${process} met its limit of ${limit}`,
  missed: ({ missed }) => (missed == null ? 'the server began anew' : `${count(missed)} events were missed`),
};

function toneOf(name, data) {
  if (name === 'guest-denied' || name === 'request-denied' || name === 'limit-hit') return 'bad';
  if (name === 'process-ended') return tone(data.ending);
  return 'plain';
}

export class Feed {
  #events = [];
  #denials = [];
  #number = 0;
  #sandbox = null;
  #due = false;
  #list = make('ol', { class: 'events', tabindex: '0', 'aria-label': 'Events, the latest first' });
  #nothing = make('p', { class: 'note' }, 'Nothing has happened yet.');
  #cards = make('ul', { class: 'cards' });
  #none = make('p', { class: 'note' }, 'Nothing was refused.');
  #shownEvents = new Keyed(this.#list, (event) => event.number, (event) => this.#line(event));
  #shownDenials = new Keyed(this.#cards, (denial) => denial.number, (denial) => this.#card(denial));

  constructor() {
    byId('events').append(make('h2', { id: 'events-title' }, 'Events'), this.#nothing, this.#list);
    byId('denials').append(make('h2', { id: 'denials-title' }, 'Refused'), this.#none, this.#cards);
  }

  push(name, data) {
    const number = (this.#number += 1);
    this.#events.unshift({ number, name, data });
    this.#events.length = Math.min(this.#events.length, KEPT);
    const denials = data.denials ?? (data.denial ? [data.denial] : []);
    denials.slice(0, 20).forEach((denial, at) => {
      this.#denials.unshift({ number: `${number}.${at}`, denial, data });
    });
    this.#denials.length = Math.min(this.#denials.length, DENIALS_KEPT);
    this.#later();
  }

  /** Shows those of one sandbox, or of all where it is `null`. */
  only(sandbox) {
    this.#sandbox = sandbox;
    this.#show();
  }

  /** The program of a process, where its start is still known. */
  programOf(sandbox, process) {
    const start = this.#events.find(
      ({ name, data }) => name === 'process-started' && data.sandbox === sandbox && data.process === process,
    );
    return start?.data.program;
  }

  /** Many come at one time; they are shown together. */
  #later() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#show();
    });
  }

  #show() {
    const wanted = ({ name, data }) =>
      this.#sandbox === null || data.sandbox === this.#sandbox || name === 'missed';
    const events = this.#events.filter(wanted).slice(0, SHOWN);
    const denials = this.#denials.filter(wanted).slice(0, DENIALS_SHOWN);
    this.#shownEvents.show(events);
    this.#shownDenials.show(denials);
    this.#list.hidden = events.length === 0;
    this.#nothing.hidden = events.length > 0;
    this.#none.hidden = denials.length > 0;
  }

  #line({ name, data }) {
    const says = SAYS[name]?.(data) ?? clip(JSON.stringify(data));
    const where = data.sandbox
      ? make('a', { class: 'where', href: `#${data.sandbox}` }, data.sandbox.slice(0, 8))
      : make('span', { class: 'where' });
    const element = make(
      'li',
      { class: toneOf(name, data) },
      make('time', { datetime: data.at, title: moment(data.at) }, clock(data.at)),
      where,
      make('span', { class: 'name' }, clip(name, 40)),
      make('span', { class: 'says' }, says),
    );
    return { element, update: () => (where.hidden = this.#sandbox !== null) };
  }

  #card({ denial, data }) {
    const about = make('span');
    const element = make('li', {}, denialCard(denial, about));
    const who = data.process == null ? 'a request' : `process ${data.process}`;
    const update = () => {
      const where = this.#sandbox === null && data.sandbox ? `sandbox ${data.sandbox}` : null;
      setText(about, [who, where, moment(data.at)].filter(Boolean).join(' · '));
    };
    return { element, update };
  }
}
