/** The SDK, natively: configurations, outcomes, the glue, messages and the test's platform. */

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import {
  activeAlarm,
  activeAlarms,
  attribute,
  attributes,
  byId,
  byName,
  content,
  credentials,
  customer,
  customerOf,
  effect,
  emit,
  end,
  entity,
  exportNodes,
  findCustomer,
  findEntity,
  httpRequest,
  isRelated,
  latest,
  latestValues,
  log,
  metrics,
  nowMs,
  payload,
  publish,
  relations,
  RuleNode,
  secret,
  series,
  state,
  timers,
  views,
} from '../src/index.js';
import { HANDED_OVER } from '../src/package.js';
import { defaults, read, schema } from '../src/schema.js';
import { platform, reset, TestMessage } from '../src/testing.js';

class Hot extends RuleNode {
  static typeName = 'hot-node';
  static classIds = ['org.example.Hot'];
  static relations = ['True', 'False', 'Failure'];
  static properties = { key: { type: 'string' }, count: { type: 'integer', minimum: 1, default: 3 } };

  process(message) {
    const answers = {
      name: () => 'False',
      elsewhere: () => 'Elsewhere',
      several: () => [effect('clear-alarm', { alarmType: 'hot' }), 'True'],
      nothing: () => undefined,
      fault: () => message.none.none,
    };
    return answers[message.text('say')]();
  }
}

beforeEach(reset);

test('properties become a schema and a configuration', () => {
  assert.deepEqual(schema(Hot.properties).required, ['key']);
  assert.deepEqual(defaults(Hot.properties), { count: 3 });
  assert.deepEqual(read(Hot.properties, { key: 't', more: 1 }), { key: 't', count: 3, more: 1 });
  for (const [given, says] of [
    [{}, /key is missing/],
    [{ key: 4 }, /key is 4, not string/],
    [{ key: 't', count: 1.5 }, /not integer/],
    [{ key: 't', count: 0 }, /at least 1/],
    [[], /not object/],
  ]) {
    assert.throws(() => read(Hot.properties, given), says);
  }
});

test('effects and messages take plain values', () => {
  assert.deepEqual(effect('save-time-series', { values: { t: 1 }, timestamp: 5 }).val, { values: content({ t: 1 }), timestamp: 5n });
  assert.deepEqual(effect('save-attributes', { scope: 'SERVER_SCOPE', values: payload() }).val.values, payload());
  const { message } = emit('Success', { a: 1 }, { metadata: { k: 'v' } });
  assert.deepEqual(message, { kind: undefined, originator: undefined, metadata: [['k', 'v']], payload: content({ a: 1 }) });
});

test('requests have text with secrets in it', () => {
  const text = (val) => ({ tag: 'text', val });
  const asked = httpRequest('POST', ['https://a/', secret('key')], { headers: { 'X-A': 'b' }, basicAuth: ['u', [secret('word')]], body: { t: 1 } });
  assert.deepEqual(asked, {
    tag: 'http-request',
    val: {
      method: 'POST',
      url: [text('https://a/'), secret('key')],
      headers: [['X-A', [text('b')]]],
      basicAuth: [[text('u')], [secret('word')]],
      body: { tag: 'content', val: content({ t: 1 }) },
      timeoutMs: 0,
      responseBytesMax: 0,
      tls: undefined,
      proxy: undefined,
      acceptedIf: undefined,
    },
  });
  assert.equal(httpRequest('POST', 'https://a/', { acceptedIf: '/ok' }).val.acceptedIf, '/ok');
  const tls = { authorities: 'PEM', identity: { certificates: 'PEM', key: [secret('key')] } };
  const own = { authorities: [text('PEM')], identity: { certificates: [text('PEM')], key: [secret('key')], password: undefined } };
  assert.deepEqual(httpRequest('GET', 'https://a/', { tls }).val.tls, own);
  assert.deepEqual(publish('mqtts://b', 't', { tls }).val.tls, own);
  assert.deepEqual(publish('mqtts://b', 't', { proxy: { address: 'http://p' } }).val.proxy, { address: 'http://p', basicAuth: undefined });
  const opened = { identity: { ...tls.identity, password: secret('word') } };
  assert.deepEqual(httpRequest('GET', 'https://a/', { tls: opened }).val.tls.identity.password, [secret('word')]);
  const address = 'http://proxy.test:3128';
  const way = (proxy) => httpRequest('GET', 'https://a/', { proxy }).val.proxy;
  assert.deepEqual(way({ address }), { address, basicAuth: undefined });
  assert.deepEqual(way({ address, basicAuth: ['u', secret('word')] }), { address, basicAuth: [[text('u')], [secret('word')]] });
  assert.deepEqual(httpRequest('GET', 'https://a/', { text: '' }).val.body, { tag: 'text', val: [text('')] });
  assert.deepEqual(httpRequest('GET', 'https://a/').val.body, undefined);
  assert.deepEqual(httpRequest('GET', 'https://a/', { body: payload('p') }).val.body.val, payload('p'));
});

test('a publish names its broker, and its options by name', () => {
  const text = (val) => ({ tag: 'text', val });
  const told = publish('mqtt://broker.test', 'a/b', { text: ['x', secret('s')], basicAuth: ['u', secret('word')], options: { retain: true } });
  assert.deepEqual(told, {
    tag: 'publish',
    val: {
      broker: 'mqtt://broker.test',
      topic: 'a/b',
      payload: { tag: 'text', val: [text('x'), secret('s')] },
      basicAuth: [[text('u')], [secret('word')]],
      options: [['retain', 'true']],
      timeoutMs: 0,
      tls: undefined,
      proxy: undefined,
    },
  });
  assert.deepEqual(publish('mqtt://b', 't', { body: { t: 1 } }).val.payload, { tag: 'content', val: content({ t: 1 }) });
  assert.deepEqual(publish('mqtt://b', 't', { body: payload() }).val.payload.val, payload());
  assert.deepEqual(publish('mqtt://b', 't').val.payload.val, content(null));
  assert.deepEqual(effect('leave-chain', {}), { tag: 'leave-chain', val: {} });
  for (const answer of [{ a: 1 }, [1], 5, 'warm', null]) {
    assert.deepEqual(effect('reply-rest', { requestId: 'r', payload: answer }).val, { requestId: 'r', payload: content(answer) });
  }
  const kept = effect('save-time-series', { values: { t: 1 }, timestamp: 5, keep: 'latest' }).val;
  assert.deepEqual(kept, { values: content({ t: 1 }), timestamp: 5n, keep: 'latest' });
  const row = effect('save-row', { table: 't', columns: { a: 1 }, ttlSeconds: 60 }).val;
  assert.deepEqual(row, { table: 't', columns: content({ a: 1 }), ttlSeconds: 60 });
});

test('the package describes itself and refuses in words', () => {
  const nodes = exportNodes(Hot);
  const [told] = nodes.describe();
  assert.deepEqual([told.typeName, told.title, told.defaultConfiguration], ['hot-node', 'hot node', '{"count":3}']);
  assert.equal(nodes.upgrade('hot-node', 0, '{"key": "t"}'), '{"key":"t"}');
  for (const call of [() => nodes.open('hot-node', '{}'), () => nodes.open('hot-node', '{oops'), () => nodes.open('other', '{}')]) {
    assert.throws(call, (thrown) => typeof thrown === 'string' && thrown.length > 10);
  }
});

test('every answer becomes the contract’s', () => {
  const nodes = exportNodes(Hot);
  nodes.open('hot-node', '{"key": "t"}');
  for (const [say, number] of [['name', 1], ['elsewhere', HANDED_OVER], ['several', HANDED_OVER], ['nothing', HANDED_OVER], ['fault', HANDED_OVER]]) {
    platform.message = TestMessage.telemetry({ say });
    assert.equal(nodes.process(), number, say);
  }
  const [elsewhere, several, nothing, fault] = platform.answers;
  assert.equal(elsewhere.decided.val.emissions[0].relation, 'Elsewhere');
  assert.deepEqual([several.decided.val.effects.length, several.decided.val.emissions.length], [1, 1]);
  assert.match(nothing.failed, /nothing/);
  assert.match(fault.failed, /^TypeError/);
  assert.deepEqual(end(), { effects: [], emissions: [] });
});

test('a message reads like the host’s', () => {
  const message = TestMessage.telemetry({ a: [1, { 'b/c': true }], n: 2.5, s: 'x', z: null }, { k: 'v' });
  assert.deepEqual([message.number('n'), message.number('s'), message.integer('/a/0')], [2.5, undefined, 1n]);
  assert.deepEqual([message.boolean('/a/1/b~1c'), message.text('s'), message.length('a')], [true, 'x', 2]);
  assert.deepEqual(['', 'z', 'none', '/a/7'].map((path) => message.shape(path)), ['object', 'null', 'absent', 'absent']);
  assert.deepEqual([message.keys(), message.metadata('k'), message.value('/a/0')], [['a', 'n', 's', 'z'], 'v', 1]);
});

test('the platform remembers and answers', () => {
  log.warn('careful');
  assert.deepEqual(platform.lines, [['warn', 'careful']]);
  const entity = TestMessage.telemetry({}).originator();
  platform.attributes.set(`${entity.id}/SERVER_SCOPE/limit`, 7);
  platform.latest.set(`${entity.id}/t`, [5, 21.5]);
  assert.equal(attribute(entity, 'SERVER_SCOPE', 'limit'), 7);
  assert.equal(attribute(entity, 'CLIENT_SCOPE', 'limit'), undefined);
  assert.deepEqual([latest(entity, 't'), nowMs()], [[5, 21.5], 1_700_000_000_000]);
});

class Quiet extends RuleNode {
  static typeName = 'quiet';
  static classIds = ['org.example.Quiet'];
  static stateSchema = 'quiet/1';
  static startTimer = 'look';
  static inTurn = true;
  static takesMessages = false;

  process(message) {
    const { id } = message.originator();
    state.set(id, (state.get(id) ?? 0) + 1);
    timers.set(id, 1_000);
    return 'Success';
  }

  onTimer(name) {
    const count = state.get(name);
    state.delete(name);
    return emit('Success', { quiet: name, count });
  }
}

test('a node keeps values and is woken', () => {
  const nodes = exportNodes(Quiet);
  const [{ stateSchema, extensions }] = nodes.describe();
  assert.deepEqual([stateSchema, extensions], ['quiet/1', [['start-timer', 'look'], ['in-turn', 'originator'], ['input', 'none']]]);
  nodes.open('quiet', '{}');
  platform.message = TestMessage.telemetry({});
  assert.deepEqual([nodes.process(), nodes.process()], [0, 0]);
  const { id } = platform.message.originator();
  assert.deepEqual([state.get(id), state.keys(), platform.timers.get(id)], [2, [id], 1_000]);
  assert.equal(nodes.onTimer(id), HANDED_OVER);
  const [{ decided }] = platform.answers;
  assert.deepEqual(JSON.parse(decided.val.emissions[0].message.payload.val), { quiet: id, count: 2 });
  assert.deepEqual([state.get(id), state.keys()], [undefined, []]);
});

test('a timer nobody expects fails its message', () => {
  const nodes = exportNodes(Hot);
  nodes.open('hot-node', '{"key": "t"}');
  assert.equal(nodes.onTimer('t'), HANDED_OVER);
  assert.match(platform.answers[0].failed, /onTimer is not there/);
});

test('what is stored of the tenant is read from the platform', () => {
  const device = { entityType: 'DEVICE', id: 'd' };
  const owner = { entityType: 'CUSTOMER', id: 'c' };
  platform.entities.push({ id: device, name: 'D', customer: owner, additionalInfo: { floor: 1 }, fields: { phone: '1' } }, { id: owner, name: 'C' });
  platform.attributes.set('d/SERVER_SCOPE/limit', 7);
  platform.latest.set('d/t', [5, 20]);
  platform.series.set('d/t', [[1, 10], [2, 15], [5, 20]]);
  platform.relations.push([device, 'Has', owner]);
  platform.alarms.push({ id: { id: 'a' }, type: 'hot', originator: device }, { id: { id: 'b' }, type: 'old', originator: device, cleared: true });
  platform.credentials.set('d', { credentialsType: 'ACCESS_TOKEN', credentialsId: 'token' });
  assert.deepEqual(attributes(device, 'SERVER_SCOPE', ['limit', 'none']), { limit: { ts: 1, value: 7 } });
  assert.deepEqual(latestValues(device, ['t', 'none']), { t: { ts: 5, value: 20 } });
  assert.deepEqual(series(device, 't', { fromMs: 2, limit: 2, newestFirst: true }), [[5, 20], [2, 15]]);
  assert.deepEqual([entity(device).name, entity(device).additionalInfo, entity(device).fields], ['D', { floor: 1 }, { phone: '1' }]);
  assert.deepEqual([entity(owner), customer(owner).name, customerOf(device).name], [undefined, 'C', 'C']);
  platform.views = [[device, { id: { entityType: 'ENTITY_VIEW', id: 'v' }, name: 'V', serverAttributes: ['limit'], untilMs: 9 }]];
  assert.deepEqual(
    [views(device).map(({ name, serverAttributes, fromMs, untilMs }) => [name, serverAttributes, fromMs, untilMs]), views(owner)],
    [[['V', ['limit'], 0, 9]], []],
  );
  assert.deepEqual([findEntity('DEVICE', 'D'), findEntity('DEVICE', 'E'), findCustomer('C')], [device, undefined, owner]);
  assert.deepEqual(relations(owner, 'incoming'), [{ relationType: 'Has', entity: device }]);
  assert.deepEqual([isRelated(device, owner, 'Has'), isRelated(owner, device, 'Has')], [true, false]);
  assert.deepEqual([activeAlarm(device, 'hot').id.id, activeAlarm(device, 'old'), activeAlarms(device).length], ['a', undefined, 1]);
  assert.equal(credentials(device).credentialsId, 'token');
  metrics.add('seen');
  metrics.add('seen', 2);
  metrics.set('depth', 1.5);
  assert.deepEqual([...platform.figures], [['seen', 3], ['depth', 1.5]]);
});

test('effects name entities by id or by name', () => {
  const target = byName('DEVICE', 'D');
  assert.deepEqual(effect('create-relation', { target, relationType: 'Has' }).val, { target: { tag: 'named', val: { entityType: 'DEVICE', name: 'D' } }, relationType: 'Has' });
  assert.equal(byId({ entityType: 'DEVICE', id: 'd' }).tag, 'id');
});
