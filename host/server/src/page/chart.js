// A small chart of one figure over the last minutes.

import { draw, make, setText } from './dom.js';

const [WIDTH, HEIGHT] = [240, 56];

export class Chart {
  #now = make('p', { class: 'now' });
  #note = make('p', { class: 'note' });
  #area = draw('path', { class: 'area' });
  #line = draw('path', { class: 'line' });
  #plot = draw(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' },
    this.#area,
    this.#line,
  );

  /** A chart of values which `format` writes. */
  constructor(title, format) {
    this.title = title;
    this.format = format;
    this.element = make(
      'figure',
      { class: 'chart' },
      make('figcaption', {}, title),
      this.#now,
      this.#plot,
      this.#note,
    );
  }

  /** Shows values, the last of which is of now, and what there may be at most. */
  show(values, most) {
    const known = values.filter(Number.isFinite);
    const now = known.at(-1);
    const highest = Math.max(0, ...known);
    setText(this.#now, this.format(now));
    setText(this.#note, most ? `of ${most}` : known.length > 1 ? `at most ${this.format(highest)}` : '');
    this.#plot.toggleAttribute('hidden', known.length < 2);
    const title = `${this.title}: now ${this.format(now)}, at most ${this.format(highest)} in the last minutes`;
    this.#plot.setAttribute('aria-label', title);
    if (known.length < 2) return;
    const points = known.map((value, at) => {
      const x = (at / (known.length - 1)) * WIDTH;
      const y = HEIGHT - 2 - (highest ? value / highest : 0) * (HEIGHT - 6);
      return `${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    const line = `M${points.join('L')}`;
    this.#line.setAttribute('d', line);
    this.#area.setAttribute('d', `${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`);
  }
}
