/** Silence, natively. */

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { parsed, platform, reset, TestMessage } from '@pacificsoft/sdk/testing';

import { LOOK, Silence } from '../src/index.js';

beforeEach(reset);

test('a silent device is told of once, and when it is back', () => {
  const node = Silence.opened({ seconds: 60 });
  const message = TestMessage.telemetry({ temperature: 21 });
  assert.equal(node.process(message), 'Success');
  assert.equal(platform.timers.get(LOOK), 10_000);
  platform.nowMs += 59_999;
  assert.deepEqual(node.onTimer(LOOK), []);
  platform.nowMs += 1;
  const [silent, ...more] = node.onTimer(LOOK);
  assert.deepEqual([silent.relation, parsed(silent.message.payload)], ['Silent', { silentSince: 1_700_000_000_000 }]);
  assert.deepEqual(silent.message.originator, message.originator());
  assert.deepEqual([more, node.onTimer(LOOK)], [[], []]);
  assert.deepEqual([node.process(message), node.process(message)], ['Back', 'Success']);
});
