// Making elements. Nothing here parses markup: a text is a text, whoever wrote it.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (value === true) {
      element.setAttribute(name, '');
    } else if (value !== false && value != null) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

/** An element with attributes, listeners (`on`) and children, of which strings are texts. */
export const make = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);

/** The same of SVG. */
export const draw = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

/** Sets a text where it differs, so that a selection in it is kept. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * Has `container` show one child for each item, in order. Children are kept by key, with their focus: `create` makes
 * one, with an `update` that is called with its item each time.
 */
export class Keyed {
  #children = new Map();

  constructor(container, keyOf, create) {
    Object.assign(this, { container, keyOf, create });
  }

  show(items) {
    const before = this.#children;
    this.#children = new Map();
    let place = this.container.firstElementChild;
    for (const item of items) {
      const key = this.keyOf(item);
      const child = before.get(key) ?? this.create(item);
      before.delete(key);
      this.#children.set(key, child);
      child.update(item);
      if (child.element === place) place = place.nextElementSibling;
      else this.container.insertBefore(child.element, place);
    }
    for (const gone of before.values()) gone.element.remove();
  }
}
