/** What a node may ask the platform. A component imports only the interfaces it uses. */

import { clock, logging, readings } from '#host';

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
