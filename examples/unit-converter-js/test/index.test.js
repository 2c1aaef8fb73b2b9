/** The converter, natively. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parsed, TestMessage } from '@pacificsoft/sdk/testing';

import { CONVERSIONS, UnitConverter } from '../src/index.js';

const convert = (configuration, payload) => UnitConverter.opened(configuration).process(TestMessage.telemetry(payload, { deviceName: 'D' }));

test('a value is converted in place, the rest stays', () => {
  const { relation, message } = convert({}, { temperature: 21.5, humidity: 40 });
  assert.equal(relation, 'Success');
  assert.deepEqual(parsed(message.payload), { temperature: 70.7, humidity: 40 });
  assert.deepEqual(Object.fromEntries(message.metadata), { deviceName: 'D', conversion: 'celsius to fahrenheit' });
});

test('a value is converted beside the first', () => {
  const { message } = convert({ key: 'speed', conversion: 'kilometres per hour to miles per hour', target: 'mph', digits: 0 }, { speed: 100 });
  assert.deepEqual(parsed(message.payload), { speed: 100, mph: 62 });
});

test('there and back again is where it began', () => {
  const there = CONVERSIONS['celsius to fahrenheit'];
  assert.ok(Math.abs(CONVERSIONS['fahrenheit to celsius'](there(-17)) + 17) < 1e-9);
});

test('what makes no sense is refused in words', () => {
  assert.throws(() => convert({}, { temperature: 'warm' }), /no number temperature/);
  assert.throws(() => UnitConverter.opened({ conversion: 'apples to pears' }), /one of celsius to fahrenheit/);
  assert.throws(() => UnitConverter.opened({ digits: 99 }), /at most 15/);
});
