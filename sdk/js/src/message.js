/** The message in hand: the one a node decides about. Each method is a call into the host: read what you need, once. */

import { message as host } from '#host';

export class Message {
  kind() {
    return host.kind();
  }

  originator() {
    return host.originator();
  }

  timestamp() {
    return Number(host.timestamp());
  }

  metadata(key) {
    return host.metadata(key);
  }

  metadataEntries() {
    return host.metadataEntries();
  }

  shape(path) {
    return host.shapeAt(path);
  }

  number(path) {
    return host.number(path);
  }

  integer(path) {
    return host.integer(path);
  }

  boolean(path) {
    return host.boolean(path);
  }

  text(path) {
    return host.text(path);
  }

  keys(path = '') {
    return host.keys(path);
  }

  length(path = '') {
    return host.length(path);
  }

  json(path = '') {
    return host.json(path);
  }

  value(path = '') {
    const text = this.json(path);
    return text === undefined ? undefined : JSON.parse(text);
  }
}
