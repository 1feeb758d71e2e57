// Asking the server, with a key.

/** Why something was not done. */
export class Refusal extends Error {
  constructor(status, { kind = 'unknown', message = 'it failed', denials = [] } = {}) {
    super(message);
    Object.assign(this, { status, kind, denials });
  }
}

/** Whether a text can be a key: a header takes no other characters. */
export const isKey = (text) => /^[\x21-\x7e]{1,512}$/.test(text);

export class Client {
  #key;
  #refused;

  /** `refused` is called when the server does not take the key any more. */
  constructor(key, refused = () => {}) {
    this.#key = key;
    this.#refused = refused;
  }

  /** The answer as it comes, of success alone. */
  async send(method, path, { body, headers = {}, signal } = {}) {
    const all = { Authorization: `Bearer ${this.#key}`, ...headers };
    if (body !== undefined) all['Content-Type'] = 'application/json';
    const response = await fetch(path, {
      method,
      headers: all,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
    });
    if (response.ok) return response;
    const told = await response.json().catch(() => ({}));
    if (response.status === 401) this.#refused();
    throw new Refusal(response.status, told);
  }

  async get(path, options) {
    return (await this.send('GET', path, options)).json();
  }

  async post(path, body, options) {
    return (await this.send('POST', path, { ...options, body })).json();
  }

  async remove(path) {
    await this.send('DELETE', path);
  }
}

export const sandboxPath = (id, rest = '') => `/v1/sandboxes/${encodeURIComponent(id)}${rest}`;
