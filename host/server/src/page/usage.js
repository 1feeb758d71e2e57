// What a sandbox uses, or all of them together.

import { Chart } from './chart.js';
import { byId, make, setText } from './dom.js';
import { about, bytes, cores, coresAtMost, count, seconds } from './show.js';

const rate = (value) => `${bytes(value)}/s`;

/** The title, the field of a point, how it is written, and the limit that a sandbox has for it. */
const CHARTS = [
  ['Processor', 'cpu_cores', cores, (limits) => coresAtMost(limits.cpu)],
  ['Memory', 'memory_bytes', bytes, (limits) => limits.memory],
  ['Disk', 'disk_bytes', bytes, (limits) => limits.disk],
  ['Processes', 'processes', count, (limits) => count(limits.processes)],
  ['Read', 'read_bytes_per_second', rate, () => null],
  ['Written', 'written_bytes_per_second', rate, () => null],
];

const TOTALS = [
  ['Processor time', 'cpu_seconds', seconds],
  ['Fuel', 'fuel', about],
  ['Read', 'read_bytes', bytes],
  ['Written', 'written_bytes', bytes],
  ['Processes ended', 'processes_ended', count],
  ['Denials', 'denials', count],
  ['Limits met', 'limits_hit', count],
];

export class Usage {
  #panel = byId('usage');
  #title = make('h2', { id: 'usage-title' });
  #charts = CHARTS.map(([title, , format]) => new Chart(title, format));
  #values = TOTALS.map(() => make('dd'));
  #totals = make(
    'dl',
    { class: 'totals' },
    TOTALS.map(([name], at) => make('div', {}, make('dt', {}, name), this.#values[at])),
  );

  constructor() {
    const charts = this.#charts.map((chart) => chart.element);
    this.#panel.append(this.#title, make('div', { class: 'charts' }, charts), this.#totals);
  }

  /** Shows what the server told, of a sandbox where there is one. */
  show(usage, sandbox) {
    this.#panel.hidden = !usage;
    if (!usage) return;
    setText(this.#title, sandbox ? 'What it uses' : 'What all use');
    CHARTS.forEach(([, field, , limit], at) => {
      const most = sandbox?.limits ? limit(sandbox.limits) : null;
      this.#charts[at].show(usage.history.map((point) => point[field]), most);
    });
    TOTALS.forEach(([, field, format], at) => setText(this.#values[at], format(usage.totals[field])));
  }
}
