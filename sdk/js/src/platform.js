/** What stands in for the host natively, in tests. Has the functions of `host.js`, and `platform`, which tests look at and prepare. */

const fresh = () => ({
  nowMs: 1_700_000_000_000,
  /** Lines logged: `[level, text]`. */
  lines: [],
  /** Attributes, by `entity id/scope/key`. */
  attributes: new Map(),
  /** Latest values, by `entity id/key`: `[time in ms, value]`. */
  latest: new Map(),
  /** Readings, by `entity id/key`: `[time in ms, value]`, oldest first. */
  series: new Map(),
  /** Entities and customers: as `entity` answers them. */
  entities: [],
  tenant: { entityType: 'TENANT', id: '00000000-0000-0000-0000-0000000000ff' },
  /** `[source, type, target]`. */
  relations: [],
  /** `[entity, view]`: views as `views` answers them. */
  views: [],
  /** As the REST API shows them. */
  alarms: [],
  /** By id of the device. */
  credentials: new Map(),
  /** What the node reported about itself. */
  figures: new Map(),
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

const found = (keys, of) => keys.map((key) => [key, of(key)]).filter(([, one]) => one !== undefined);
readings.attributes = (entity, scope, keys) =>
  found(keys, (key) => readings.attribute(entity, scope, key)).map(([key, value]) => [key, 1n, value]);
readings.latestValues = (entity, keys) => found(keys, (key) => readings.latest(entity, key)).map(([key, [ts, value]]) => [key, ts, value]);

export const history = {
  series(entity, key, { fromMs, toMs, limit, newestFirst }) {
    const all = platform.series.get(`${entity.id}/${key}`) ?? [];
    const inside = all.filter(([ts]) => fromMs <= BigInt(ts) && BigInt(ts) < toMs);
    return (newestFirst ? inside.toReversed() : inside).slice(0, limit).map(([ts, value]) => [BigInt(ts), text(value)]);
  },
};

const isCustomer = (one) => one?.id.entityType === 'CUSTOMER';
const byEntityId = (id) => platform.entities.find((one) => one.id.id === id.id);
const told = (one) =>
  one && {
    subtype: '',
    ...one,
    createdMs: BigInt(one.createdMs ?? 0),
    additionalInfo: text(one.additionalInfo),
    fields: Object.entries(one.fields ?? {}),
  };

export const entities = {
  get: (id) => (isCustomer(byEntityId(id)) ? undefined : told(byEntityId(id))),
  find: (entityType, name) =>
    platform.entities.find((one) => !isCustomer(one) && one.id.entityType === entityType && one.name === name)?.id,
  views: (entity, limit) =>
    platform.views
      .filter(([viewed]) => viewed.id === entity.id)
      .map(([, view]) => ({
        timeSeries: [],
        clientAttributes: [],
        sharedAttributes: [],
        serverAttributes: [],
        ...view,
        fromMs: BigInt(view.fromMs ?? 0),
        untilMs: view.untilMs === undefined ? undefined : BigInt(view.untilMs),
      }))
      .slice(0, limit),
  tenant: () => platform.tenant,
};

export const customers = {
  get: (id) => (isCustomer(byEntityId(id)) ? told(byEntityId(id)) : undefined),
  find: (title) => platform.entities.find((one) => isCustomer(one) && one.name === title)?.id,
  of(id) {
    const customer = byEntityId(id)?.customer;
    return customer && told(byEntityId(customer));
  },
};

export const relations = {
  of: (entity, direction, relationType, limit) =>
    platform.relations
      .map(([source, type, target]) => (direction === 'outgoing' ? [source, type, target] : [target, type, source]))
      .filter(([near, type]) => near.id === entity.id && (relationType ?? type) === type)
      .map(([, type, far]) => ({ relationType: type, entity: far }))
      .slice(0, limit),
  exists: (source, target, relationType) =>
    platform.relations.some(([from, type, to]) => from.id === source.id && type === relationType && to.id === target.id),
};

const active = (originator) => platform.alarms.filter((one) => one.originator.id === originator.id && !one.cleared);

export const alarms = {
  get: (id) => text(platform.alarms.find((one) => one.id.id === id)),
  active: (originator, alarmType) => text(active(originator).find((one) => one.type === alarmType)),
  allActive: (originator, limit) => active(originator).slice(0, limit).map(text),
};

export const credentials = { of: (device) => platform.credentials.get(device.id) };

export const metrics = {
  add: (name, amount) => void platform.figures.set(name, (platform.figures.get(name) ?? 0) + Number(amount)),
  set: (name, value) => void platform.figures.set(name, value),
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
