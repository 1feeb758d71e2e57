// A form made from the JSON schema of a function's arguments.

import { make, setText } from './dom.js';
import { clip } from './show.js';

/** The most fields of a form; a schema with more is filled in as JSON. */
const FIELDS = 50;
/** The most choices of one field. */
const CHOICES = 200;

const NULL = { type: 'null' };
const isNull = (schema) => schema?.type === 'null';
const isDigits = (schema) => schema?.type === 'string' && schema.pattern !== undefined;
const isBase64 = (schema) => schema?.type === 'string' && schema.contentEncoding === 'base64';
const isNumber = (schema) => schema?.type === 'number' || schema?.type === 'integer';

/** A schema without `null`, and whether it had that. */
function withoutNull(schema) {
  const kinds = Array.isArray(schema?.anyOf) ? schema.anyOf : null;
  if (!kinds?.some(isNull)) return [schema ?? {}, false];
  const others = kinds.filter((kind) => !isNull(kind));
  return [others.length === 1 ? others[0] : { anyOf: others }, true];
}

/** Which field a schema has: its kind, and what to say of it. */
function kindOf(schema) {
  const kinds = Array.isArray(schema.anyOf) ? schema.anyOf : [];
  if (Array.isArray(schema.enum) && schema.enum.length <= CHOICES) return ['choice', ''];
  if (schema.type === 'boolean') return ['boolean', ''];
  if (isNumber(schema)) return ['number', schema.type === 'integer' ? 'a whole number' : 'a number'];
  if (kinds.length === 2 && isNumber(kinds[0]) && isDigits(kinds[1])) return ['number', 'a whole number'];
  if (kinds.length === 2 && isNumber(kinds[0]) && kinds[1].enum) return ['number', `or ${kinds[1].enum.join(', ')}`];
  if (isBase64(schema) || kinds.some(isBase64)) return ['text', 'bytes in base64'];
  if (isDigits(schema)) return ['text', 'a whole number'];
  if (schema.type === 'string') return ['text', ''];
  const isList = schema.type === 'array' && schema.items?.type === 'string' && !schema.items.enum;
  if (isList && !schema.minItems) return ['lines', 'one a line'];
  return ['json', 'JSON'];
}

/** What somebody typed as a number, so that it loses nothing: what a double cannot hold stays in digits. */
function readNumber(text) {
  if (/^-?\d+$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : text;
  if (['NaN', 'Infinity', '-Infinity'].includes(text)) return text;
  const number = Number(text);
  if (!Number.isFinite(number)) throw new TypeError('this is no number');
  return number;
}

function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new TypeError('this is no JSON');
  }
}

const READ = {
  text: (input) => input.value,
  number: (input) => readNumber(input.value.trim()),
  lines: (input) => input.value.split('\n').filter((line) => line !== ''),
  json: (input) => readJson(input.value),
  choice: (input) => readJson(input.value),
  boolean: (input) => input.value === 'true',
};

function control(kind, schema, attributes) {
  if (kind === 'choice' || kind === 'boolean') {
    const values = kind === 'boolean' ? [true, false] : schema.enum;
    const options = values.map((value) =>
      make('option', { value: JSON.stringify(value) }, typeof value === 'string' ? clip(value, 80) : JSON.stringify(value)),
    );
    return make('select', attributes, make('option', { value: '' }, '–'), options);
  }
  if (kind === 'number') return make('input', { ...attributes, inputmode: 'decimal', autocomplete: 'off' });
  return make('textarea', { ...attributes, rows: kind === 'text' ? 1 : 3, spellcheck: 'false' });
}

class Field {
  constructor(name, schema, isRequired, id) {
    const [inner, takesNull] = withoutNull(schema);
    const [kind, hint] = kindOf(inner);
    Object.assign(this, { name, kind, isRequired: isRequired && !takesNull, takesNull });
    this.error = make('p', { class: 'error', id: `${id}-error` });
    this.input = control(kind, inner, { id, 'aria-describedby': `${id}-hint ${id}-error` });
    if (this.isRequired) this.input.setAttribute('aria-required', 'true');
    const says = [this.isRequired ? 'needed' : 'may be left out', hint, clip(inner.description ?? '', 200)];
    this.element = make(
      'div',
      { class: `field ${kind}` },
      make('label', { for: id }, clip(name, 80)),
      make('span', { class: 'note', id: `${id}-hint` }, says.filter(Boolean).join('; ')),
      this.input,
      this.error,
    );
  }

  /** Adds what was filled in; whether that was possible. */
  addTo(values) {
    this.#tell('');
    const text = this.input.value;
    // An empty text is a text, where one is needed.
    const mayBeEmpty = this.kind === 'text' || this.kind === 'lines';
    if (text === '' && !(this.isRequired && mayBeEmpty)) {
      if (this.isRequired) this.#tell('this is needed');
      return !this.isRequired;
    }
    try {
      values[this.name] = READ[this.kind](this.input);
      return true;
    } catch (error) {
      this.#tell(error.message);
      return false;
    }
  }

  #tell(message) {
    setText(this.error, message);
    if (message) this.input.setAttribute('aria-invalid', 'true');
    else this.input.removeAttribute('aria-invalid');
  }
}

/** The fields for a schema; `values()` has the arguments, or is `null` where a field is wrong and has the focus. */
export class Form {
  #fields;
  #whole;

  constructor(schema, isWhole) {
    const properties = Object.entries(schema?.properties ?? {});
    const required = new Set(Array.isArray(schema?.required) ? schema.required : []);
    properties.sort(([one], [other]) => required.has(other) - required.has(one));
    // What takes other names than those in the schema has no fields for them.
    const isOpen = schema?.additionalProperties !== undefined && schema.additionalProperties !== false;
    this.mustBeWhole = isOpen || properties.length > FIELDS;
    if (isWhole || this.mustBeWhole) {
      this.#whole = new Field('Arguments', {}, true, 'argument');
      this.#fields = [this.#whole];
    } else {
      this.#fields = properties.map(([name, one], at) => new Field(name, one, required.has(name), `argument-${at}`));
    }
    const none = make('p', { class: 'note' }, 'It takes no arguments.');
    this.element = make('div', { class: 'fields' }, this.#fields.length ? this.#fields.map(({ element }) => element) : none);
  }

  values() {
    const values = Object.create(null);
    const wrong = this.#fields.filter((field) => !field.addTo(values));
    wrong[0]?.input.focus();
    if (wrong.length > 0) return null;
    return this.#whole ? values[this.#whole.name] : values;
  }

  /** Fills in arguments, as JSON where the form is that. */
  fill(values) {
    if (this.#whole) this.#whole.input.value = JSON.stringify(values, null, 2);
  }

  /** What is filled in so far, without what is wrong. */
  draft() {
    const values = Object.create(null);
    for (const field of this.#fields) field.addTo(values);
    return this.#whole ? (values[this.#whole.name] ?? {}) : values;
  }
}
