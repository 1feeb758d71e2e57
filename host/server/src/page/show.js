// How things are written for people.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** The most characters which are shown of a text that somebody else wrote. */
const LONGEST = 400;

export function bytes(count) {
  if (!Number.isFinite(count)) return '–';
  let [value, unit] = [count, 0];
  while (value >= 1024 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits).replace(/\.0$/, '')} ${UNITS[unit]}`;
}

export const count = (number) => (Number.isFinite(number) ? whole.format(number) : '–');

/** A large number in few characters. */
export const about = (number) => (Number.isFinite(number) ? short.format(number) : '–');

export const cores = (number) => (Number.isFinite(number) ? `${number.toFixed(2)} cores` : '–');

/** A limit of cores, which is written as somebody gave it. */
export const coresAtMost = (number) => (number === 1 ? '1 core' : `${number} cores`);

export function milliseconds(time) {
  if (!Number.isFinite(time)) return '–';
  if (time < 1) return `${Math.round(time * 1000)} µs`;
  if (time < 1000) return `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;
  return seconds(time / 1000);
}

export function seconds(time) {
  if (!Number.isFinite(time)) return '–';
  if (time < 120) return `${time.toFixed(time < 10 ? 1 : 0)} s`;
  return time < 7200 ? `${Math.round(time / 60)} min` : `${(time / 3600).toFixed(1)} h`;
}

/** The time of day of an RFC 3339 time, in the reader's zone. */
export function clock(time) {
  const date = new Date(time ?? NaN);
  return Number.isNaN(date.getTime()) ? '' : date.toLocaleTimeString([], { hourCycle: 'h23' });
}

export function moment(time) {
  const date = new Date(time ?? NaN);
  return Number.isNaN(date.getTime()) ? '' : date.toLocaleString([], { hourCycle: 'h23' });
}

/** A text of somebody else in bounded space. */
export function clip(text, most = LONGEST) {
  const all = String(text ?? '');
  return all.length > most ? `${all.slice(0, most)}… (${count(all.length)} characters)` : all;
}

/** How a process ended: `exited: 0`, `returned`, `limit-reached: time`. */
export function ending(value) {
  if (typeof value !== 'object' || value === null) return clip(value);
  const [[name, detail] = ['unknown', '']] = Object.entries(value);
  return `${clip(name, 40)}: ${clip(typeof detail === 'string' ? detail : JSON.stringify(detail))}`;
}

/** Whether an ending is a good one, a bad one, or neither. */
export function tone(value) {
  if (value === 'returned' || value?.exited === 0) return 'good';
  return value === 'killed' ? 'plain' : 'bad';
}

/** How a sandbox is called: by its label `name`, else by its id. */
export const nameOf = (sandbox) => clip(sandbox.labels?.name ?? sandbox.id, 60);
