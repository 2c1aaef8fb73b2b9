/** Testing nodes natively, without a host. */

import { platform, reset } from './platform.js';
import { Message } from './message.js';

export { platform, reset };

/** A message made of JavaScript values. */
export class TestMessage extends Message {
  constructor(kind, payload, { metadata = {}, originator, timestamp } = {}) {
    super();
    this.given = {
      kind,
      payload,
      metadata,
      originator: originator ?? { entityType: 'DEVICE', id: '00000000-0000-0000-0000-000000000001' },
      timestamp: timestamp ?? 1_700_000_000_000,
    };
  }

  static telemetry(payload, metadata = {}) {
    return new TestMessage('POST_TELEMETRY_REQUEST', payload, { metadata });
  }

  kind() {
    return this.given.kind;
  }

  originator() {
    return this.given.originator;
  }

  timestamp() {
    return this.given.timestamp;
  }

  metadata(key) {
    return Object.hasOwn(this.given.metadata, key) ? this.given.metadata[key] : undefined;
  }

  metadataEntries() {
    return Object.entries(this.given.metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  }

  shape(path) {
    const value = this.at(path);
    if (value === undefined) return 'absent';
    if (value === null) return 'null';
    if (Array.isArray(value)) return 'array';
    return typeof value === 'string' ? 'text' : typeof value;
  }

  number(path) {
    const value = this.at(path);
    return typeof value === 'number' ? value : undefined;
  }

  integer(path) {
    const value = this.at(path);
    return Number.isInteger(value) ? BigInt(value) : undefined;
  }

  boolean(path) {
    const value = this.at(path);
    return typeof value === 'boolean' ? value : undefined;
  }

  text(path) {
    const value = this.at(path);
    return typeof value === 'string' ? value : undefined;
  }

  keys(path = '') {
    return this.shape(path) === 'object' ? Object.keys(this.at(path)) : [];
  }

  length(path = '') {
    return this.shape(path) === 'array' ? this.at(path).length : this.keys(path).length;
  }

  json(path = '') {
    return JSON.stringify(this.at(path));
  }

  at(path) {
    const { payload } = this.given;
    if (path === '') return payload;
    if (!path.startsWith('/')) return Array.isArray(payload) ? undefined : member(payload, path);
    const tokens = path.slice(1).split('/');
    return tokens.reduce((found, token) => member(found, token.replaceAll('~1', '/').replaceAll('~0', '~')), payload);
  }
}

function member(value, key) {
  return value !== null && typeof value === 'object' && Object.hasOwn(value, key) && key !== 'length' ? value[key] : undefined;
}

/** JSON of an effect's or message's content, parsed; for assertions. */
export function parsed(content) {
  return content?.tag === 'json' ? JSON.parse(content.val) : content;
}
