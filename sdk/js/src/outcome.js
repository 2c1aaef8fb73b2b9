/** What a node answers: relations, changed messages, effects, in the form of the contract. */

/** Thrown by a node: the message cannot be processed and leaves along `Failure`, with the text as the reason. */
export class Reject extends Error {
  name = 'Reject';
}

const isContent = (value) => value !== null && typeof value === 'object' && (value.tag === 'json' || value.tag === 'payload');

export function content(value) {
  return { tag: 'json', val: JSON.stringify(value) };
}

export function payload(path = '') {
  return { tag: 'payload', val: path };
}

export function forward(relation) {
  return { relation, message: undefined };
}

export function emit(relation, value, { kind, originator, metadata } = {}) {
  const message = {
    kind,
    originator,
    metadata: metadata && Object.entries(metadata),
    payload: value === undefined || isContent(value) ? value : content(value),
  };
  return { relation, message };
}

export function end() {
  return { effects: [], emissions: [] };
}

/** Fields of effects that hold JSON. */
const CONTENTS = ['values', 'details', 'params', 'payload', 'body', 'value', 'columns', 'additionalInfo'];

/** Fields of effects that hold a whole number of 64 bits. */
const INTEGERS = ['timestamp', 'expiresAt', 'startAt', 'endAt'];

export function effect(name, fields) {
  const val = { ...fields };
  // Their bodies are more than JSON: there are functions for them.
  if (name === 'http-request' || name === 'publish') return { tag: name, val };
  for (const key of CONTENTS) {
    if (val[key] !== undefined && !isContent(val[key])) val[key] = content(val[key]);
  }
  for (const key of Object.keys(val)) {
    // Whole numbers of 64 bits are BigInts in the contract.
    if (INTEGERS.includes(key) && typeof val[key] === 'number') val[key] = BigInt(Math.trunc(val[key]));
  }
  return { tag: name, val };
}

export function secret(name) {
  return { tag: 'secret', val: name };
}

/** Text of the contract: pieces, with secrets among them. */
const pieces = (text) => (Array.isArray(text) ? text : [text]).map((one) => (one?.tag === 'secret' ? one : { tag: 'text', val: String(one) }));

/** What may be left out. */
const maybe = (text) => (text == null ? undefined : pieces(text));

/** Who a client is, in the form of the contract. */
const ownIdentity = ({ certificates, key, password }) => ({ certificates: pieces(certificates), key: pieces(key), password: maybe(password) });

/** What a conversation over TLS has of its own, in the form of the contract. */
const ownTls = ({ authorities, identity }) => ({ authorities: maybe(authorities), identity: identity && ownIdentity(identity) });

/** By which way a request or a payload goes, in the form of the contract. */
const way = ({ address, basicAuth }) => ({ address, basicAuth: basicAuth && basicAuth.map(pieces) });

export function httpRequest(method, url, more = {}) {
  const { headers = {}, basicAuth, body, text, timeoutMs = 0, responseBytesMax = 0, tls, proxy, acceptedIf } = more;
  let sent;
  if (text !== undefined) sent = { tag: 'text', val: pieces(text) };
  else if (body !== undefined) sent = { tag: 'content', val: isContent(body) ? body : content(body) };
  const val = {
    method,
    url: pieces(url),
    headers: Object.entries(headers).map(([name, value]) => [name, pieces(value)]),
    basicAuth: basicAuth && basicAuth.map(pieces),
    body: sent,
    timeoutMs,
    responseBytesMax,
    tls: tls && ownTls(tls),
    proxy: proxy && way(proxy),
    acceptedIf,
  };
  return { tag: 'http-request', val };
}

export function publish(broker, topic, { body, text, basicAuth, options = {}, timeoutMs = 0, tls, proxy } = {}) {
  const sent = text !== undefined ? { tag: 'text', val: pieces(text) } : { tag: 'content', val: isContent(body) ? body : content(body ?? null) };
  const val = {
    broker,
    topic,
    payload: sent,
    basicAuth: basicAuth && basicAuth.map(pieces),
    options: Object.entries(options).map(([name, value]) => [name, String(value)]),
    timeoutMs,
    tls: tls && ownTls(tls),
    proxy: proxy && way(proxy),
  };
  return { tag: 'publish', val };
}

/** An entity that an effect is about, by its id. */
export function byId(id) {
  return { tag: 'id', val: id };
}

/** An entity that an effect is about, by its type and name. */
export function byName(entityType, name) {
  return { tag: 'named', val: { entityType, name } };
}

/** What `process` answered, in the form of the contract. */
export function outcome(decided) {
  if (isEffect(decided)) return { tag: 'effect', val: decided };
  if (decided && Array.isArray(decided.effects) && Array.isArray(decided.emissions)) return { tag: 'steps', val: decided };
  const steps = end();
  for (const one of Array.isArray(decided) ? decided : [decided]) {
    if (typeof one === 'string') steps.emissions.push(forward(one));
    else if (isEffect(one)) steps.effects.push(one);
    else if (typeof one?.relation === 'string') steps.emissions.push(one);
    else throw new Reject(`process answered with ${JSON.stringify(one) ?? 'nothing'}: that is no relation, effect or emission`);
  }
  return { tag: 'steps', val: steps };
}

function isEffect(one) {
  return typeof one?.tag === 'string' && typeof one.val === 'object';
}
