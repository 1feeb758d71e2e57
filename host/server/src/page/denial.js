// How a refusal is shown: what was asked, the rule, and the least that would have to be granted.

import { make } from './dom.js';
import { clip } from './show.js';

export function denialCard(denial, about) {
  return make(
    'div',
    { class: 'denial' },
    make('p', { class: 'asked' }, make('code', {}, clip(denial.asked)), ' was refused'),
    about && make('p', { class: 'note' }, about),
    make(
      'dl',
      {},
      make('dt', {}, 'Rule'),
      make('dd', {}, make('code', {}, clip(denial.rule))),
      make('dt', {}, 'Smallest grant'),
      make('dd', {}, make('code', {}, clip(denial.smallest_grant))),
    ),
  );
}
