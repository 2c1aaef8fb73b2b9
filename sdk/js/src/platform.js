/** What stands in for the host natively, in tests. Has the functions of `host.js`, and `platform`, which tests look at and prepare. */

const fresh = () => ({
  nowMs: 1_700_000_000_000,
  /** Lines logged: `[level, text]`. */
  lines: [],
  /** Attributes, by `entity id/scope/key`. */
  attributes: new Map(),
  /** Latest values, by `entity id/key`: `[time in ms, value]`. */
  latest: new Map(),
  /** What the node keeps: bytes by key. */
  state: new Map(),
  /** Timers that are set, with their delays in milliseconds. Tests call `onTimer` themselves. */
  timers: new Map(),
  /** The message in hand. */
  message: undefined,
  /** What was handed over: `{ decided }` or `{ failed }`. */
  answers: [],
});

/** The platform in use. */
export const platform = fresh();

/** Makes the platform as it was at the beginning. */
export function reset() {
  Object.assign(platform, fresh());
}

const text = (value) => (value === undefined ? undefined : JSON.stringify(value));

export const answer = {
  decide: (decided) => void platform.answers.push({ decided }),
  fail: (failed) => void platform.answers.push({ failed }),
};

export const clock = { nowMs: () => BigInt(platform.nowMs) };

export const logging = { log: (level, line) => void platform.lines.push([level, line]) };

export const readings = {
  attribute: (entity, scope, key) => text(platform.attributes.get(`${entity.id}/${scope}/${key}`)),
  latest(entity, key) {
    const found = platform.latest.get(`${entity.id}/${key}`);
    return found && [BigInt(found[0]), text(found[1])];
  },
};

export const state = {
  get: (key) => platform.state.get(key),
  set(key, value) {
    if (key.length < 1 || key.length > 256 || value.length > 65_536) throw new Error('the key or the value is too long');
    platform.state.set(key, value);
  },
  delete: (key) => void platform.state.delete(key),
  keys: (prefix) => [...platform.state.keys()].filter((key) => key.startsWith(prefix)).sort(),
};

export const timers = {
  set: (name, delayMs) => void platform.timers.set(name, Number(delayMs)),
  cancel: (name) => void platform.timers.delete(name),
};

const inHand = () => {
  if (!platform.message) throw new Error('there is no message in hand now');
  return platform.message;
};

const read = (name) => (...parameters) => inHand()[name](...parameters);

/** As interface `message`; a test's message answers. */
export const message = Object.fromEntries(
  ['kind', 'originator', 'metadata', 'metadataEntries', 'number', 'boolean', 'text', 'keys', 'length', 'json']
    .map((name) => [name, read(name)])
    .concat([
      ['timestamp', () => BigInt(inHand().timestamp())],
      ['shapeAt', read('shape')],
      ['integer', (path) => inHand().integer(path)],
    ]),
);
