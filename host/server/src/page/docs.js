// The routes, from the OpenAPI document which the server makes of its code.

import { byId, make } from './dom.js';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
/** How deep schemas are written out. */
const DEEPEST = 6;

class Api {
  constructor(json) {
    this.json = json;
  }

  /** What a reference stands for; anything else as it is. */
  find(part) {
    if (typeof part?.$ref !== 'string') return part;
    return part.$ref.replace(/^#\//, '').split('/').reduce((at, name) => at?.[name], this.json);
  }

  /** All operations by their paths, those of programs before those for people. */
  operations() {
    const paths = Object.entries(this.json.paths);
    const [main, others] = [true, false].map((wanted) => paths.filter(([path]) => path.startsWith('/v1/') === wanted));
    return [...main, ...others].flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]).map((method) => ({ method, path, ...item[method] })),
    );
  }
}

const nameOf = (part) => part?.$ref?.split('/').at(-1);

/** The type of a schema in few words. */
function typeOf(api, schema) {
  if (!schema) return '';
  const name = nameOf(schema);
  if (name) return name;
  const kinds = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (kinds) return kinds.map((kind) => typeOf(api, kind)).join(' or ');
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' or ');
  const types = [schema.type ?? 'anything'].flat();
  return types
    .map((type) => {
      if (type === 'array') return `list of ${typeOf(api, schema.items) || 'anything'}`;
      if (type === 'object' && schema.additionalProperties) return `map to ${typeOf(api, schema.additionalProperties)}`;
      return type;
    })
    .join(' or ');
}

/** Text in which `…` marks code. */
function text(words) {
  const parts = String(words ?? '').split('`');
  return parts.map((part, at) => (at % 2 ? make('code', {}, part) : part));
}

const paragraphs = (words) =>
  String(words ?? '')
    .split('\n\n')
    .filter((part) => part.trim())
    .map((part) => make('p', {}, part.split('\n').flatMap((line, at) => [at ? make('br') : null, ...text(line)])));

/** The fields of an object, those of objects in it below them. */
function fields(api, schema, depth = 0, seen = []) {
  const whole = api.find(schema);
  const name = nameOf(schema);
  if (!whole || depth > DEEPEST || (name && seen.includes(name))) return null;
  const inside = name ? [...seen, name] : seen;
  const deeper = [whole.oneOf, whole.anyOf, whole.allOf, whole.items && [whole.items]].filter(Boolean).flat();
  if (whole.additionalProperties?.$ref) deeper.push(whole.additionalProperties);
  const nested = deeper.map((one) => fields(api, one, depth + 1, inside)).filter(Boolean);
  if (!whole.properties) return nested.length ? make('div', {}, nested) : null;
  const required = new Set(whole.required ?? []);
  const rows = Object.entries(whole.properties).map(([field, one]) => {
    const below = fields(api, one, depth + 1, inside);
    return make(
      'li',
      {},
      make('code', { class: 'field-name' }, field),
      make('span', { class: 'type' }, typeOf(api, one)),
      required.has(field) ? null : make('span', { class: 'note' }, 'may be left out'),
      make('span', { class: 'says' }, text(one.description ?? api.find(one)?.description)),
      below,
    );
  });
  return make('ul', { class: 'schema' }, rows);
}

function content(api, body) {
  return Object.entries(body?.content ?? {}).map(([media, { schema }]) =>
    make(
      'div',
      { class: 'content' },
      make('p', { class: 'note' }, make('code', {}, media), ' ', typeOf(api, schema)),
      fields(api, schema),
    ),
  );
}

function parameters(api, list = []) {
  if (!list.length) return null;
  const rows = list.map((parameter) => {
    const { name, in: place, required, description, schema } = api.find(parameter);
    return make(
      'tr',
      {},
      make('th', { scope: 'row' }, make('code', {}, name)),
      make('td', {}, `${place}${required ? ', needed' : ''}`),
      make('td', {}, typeOf(api, schema)),
      make('td', {}, text(description)),
    );
  });
  const head = ['Name', 'Where', 'Type', ''].map((name) => make('th', { scope: 'col' }, name));
  const table = make('table', {}, make('thead', {}, make('tr', {}, head)), make('tbody', {}, rows));
  return [make('h3', {}, 'Parameters'), make('div', { class: 'scroll' }, table)];
}

function responses(api, all) {
  return Object.entries(all).map(([status, one]) => {
    const response = api.find(one);
    // All have the same form of an error; it is told once.
    const inside = status === 'default' ? null : content(api, response);
    const label = status === 'default' ? 'otherwise' : status;
    return make('div', { class: 'response' }, make('p', {}, make('b', {}, label), ' ', text(response.description)), inside);
  });
}

function operation(api, { method, path, summary, description, ...rest }) {
  const isOpen = rest.security?.every((one) => Object.keys(one).length === 0) ?? false;
  const body = api.find(rest.requestBody);
  const title = make('h2', {}, make('span', { class: `method ${method}` }, method.toUpperCase()), ' ', make('code', {}, path));
  return make(
    'section',
    { class: 'panel operation', id: anchor(method, path), 'data-path': `${method} ${path}` },
    title,
    paragraphs(summary),
    paragraphs(description),
    isOpen ? make('p', { class: 'note' }, 'It needs no key.') : null,
    parameters(api, rest.parameters),
    body ? [make('h3', {}, 'It takes'), content(api, body)] : null,
    make('h3', {}, 'It gives'),
    responses(api, rest.responses),
  );
}

const anchor = (method, path) => `${method}${path.replaceAll(/[^a-z0-9]+/g, '-')}`;

function errors(api) {
  const schema = { $ref: '#/components/schemas/ErrorBody' };
  return make('section', { class: 'panel', id: 'errors' }, make('h2', {}, 'Errors'), make('p', {}, 'Every answer which is no success has this form.'), fields(api, schema));
}

function show(api) {
  const { info } = api.json;
  byId('about').append(...text(info.description));
  const operations = api.operations();
  const links = operations.map(({ method, path }) =>
    make(
      'li',
      { 'data-path': `${method} ${path}` },
      make('a', { href: `#${anchor(method, path)}` }, make('span', { class: `method ${method}` }, method.toUpperCase()), make('code', {}, path)),
    ),
  );
  byId('list').append(make('ul', { class: 'routes' }, links));
  byId('routes').append(...operations.map((one) => operation(api, one)), errors(api));
  byId('filter').addEventListener('input', ({ target }) => {
    const wanted = target.value.trim().toLowerCase();
    for (const element of document.querySelectorAll('[data-path]')) {
      element.hidden = !element.dataset.path.toLowerCase().includes(wanted);
    }
  });
  byId(location.hash.slice(1))?.scrollIntoView();
}

async function start() {
  try {
    const response = await fetch('/v1/openapi.json', { credentials: 'omit' });
    show(new Api(await response.json()));
  } catch {
    byId('about').append('The document could not be read. Is the server running?');
  }
}

start();
