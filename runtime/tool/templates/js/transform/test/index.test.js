/** {title}, natively: `node --test`. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TestMessage } from '@pacificsoft/sdk/testing';

import { {type} } from '../src/index.js';

test('a message without the value fails', () => {
  const node = {type}.opened({ factor: 2 });
  node.process(TestMessage.telemetry({ temperature: 21 }));
  assert.throws(() => node.process(TestMessage.telemetry({ humidity: 21 })));
});
