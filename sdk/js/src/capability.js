/** What a node may ask the platform. A component imports only the interfaces it uses. */

import {
  alarms as hostAlarms,
  clock,
  credentials as hostCredentials,
  customers as hostCustomers,
  entities as hostEntities,
  history,
  logging,
  metrics as hostMetrics,
  readings,
  relations as hostRelations,
  state as kept,
  timers as hostTimers,
} from '#host';

/** Lines for the tenant's eyes. */
export const log = {
  debug: (text) => logging.log('debug', text),
  info: (text) => logging.log('info', text),
  warn: (text) => logging.log('warn', text),
  error: (text) => logging.log('error', text),
};

export function nowMs() {
  return Number(clock.nowMs());
}

export function attribute(entity, scope, key) {
  const text = readings.attribute(entity, scope, key);
  return text === undefined ? undefined : JSON.parse(text);
}

export function latest(entity, key) {
  const found = readings.latest(entity, key);
  return found === undefined ? undefined : [Number(found[0]), JSON.parse(found[1])];
}

const parsedByKey = (found) => Object.fromEntries(found.map(([key, ts, text]) => [key, { ts: Number(ts), value: JSON.parse(text) }]));

export function attributes(entity, scope, keys) {
  return parsedByKey(readings.attributes(entity, scope, keys));
}

export function latestValues(entity, keys) {
  return parsedByKey(readings.latestValues(entity, keys));
}

export function series(entity, key, { fromMs = 0, toMs = Number.MAX_SAFE_INTEGER, limit = 100, newestFirst = false } = {}) {
  const span = { fromMs: BigInt(fromMs), toMs: BigInt(toMs), limit, newestFirst };
  return history.series(entity, key, span).map(([ts, text]) => [Number(ts), JSON.parse(text)]);
}

function info(found) {
  if (found === undefined) return undefined;
  const { createdMs, additionalInfo, fields, ...rest } = found;
  return {
    ...rest,
    createdMs: Number(createdMs),
    additionalInfo: additionalInfo === undefined ? undefined : JSON.parse(additionalInfo),
    fields: Object.fromEntries(fields),
  };
}

export function entity(id) {
  return info(hostEntities.get(id));
}

export function findEntity(entityType, name) {
  return hostEntities.find(entityType, name);
}

export function views(id, limit = 100) {
  const told = ({ fromMs, untilMs, ...rest }) => ({ ...rest, fromMs: Number(fromMs), untilMs: untilMs === undefined ? undefined : Number(untilMs) });
  return hostEntities.views(id, limit).map(told);
}

export function tenant() {
  return hostEntities.tenant();
}

export function customer(id) {
  return info(hostCustomers.get(id));
}

export function findCustomer(title) {
  return hostCustomers.find(title);
}

export function customerOf(id) {
  return info(hostCustomers.of(id));
}

export function relations(id, direction, { relationType, limit = 100 } = {}) {
  return hostRelations.of(id, direction, relationType, limit);
}

export function isRelated(source, target, relationType) {
  return hostRelations.exists(source, target, relationType);
}

const alarmOf = (text) => (text === undefined ? undefined : JSON.parse(text));

export function alarm(id) {
  return alarmOf(hostAlarms.get(id));
}

export function activeAlarm(originator, alarmType) {
  return alarmOf(hostAlarms.active(originator, alarmType));
}

export function activeAlarms(originator, limit = 100) {
  return hostAlarms.allActive(originator, limit).map(alarmOf);
}

export function credentials(device) {
  return hostCredentials.of(device);
}

/** Figures of the node's own. */
export const metrics = {
  add: (name, amount = 1) => hostMetrics.add(name, BigInt(amount)),
  set: (name, value) => hostMetrics.set(name, value),
};

/** What the node remembers. Writes count when the call succeeds. */
export const state = {
  get(key) {
    const bytes = kept.get(key);
    return bytes === undefined ? undefined : JSON.parse(new TextDecoder().decode(bytes));
  },
  set: (key, value) => kept.set(key, new TextEncoder().encode(JSON.stringify(value))),
  getBytes: (key) => kept.get(key),
  setBytes: (key, bytes) => kept.set(key, bytes),
  delete: (key) => kept.delete(key),
  keys: (prefix = '') => kept.keys(prefix),
};

/** Timers: `onTimer` is called when one is due. */
export const timers = {
  set: (name, delayMs) => hostTimers.set(name, BigInt(Math.ceil(delayMs))),
  cancel: (name) => hostTimers.cancel(name),
};
