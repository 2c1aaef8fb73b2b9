/** What a node may ask the platform. A component imports only the interfaces it uses. */

import { clock, logging, readings, state as kept, timers as hostTimers } from '#host';

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
