/** {title}, natively: `node --test`. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TestMessage } from '@pacificsoft/sdk/testing';

import { {type} } from '../src/index.js';

test('values above the limit are true', () => {
  const node = {type}.opened({ limit: 20 });
  assert.equal(node.process(TestMessage.telemetry({ temperature: 21 })), 'True');
});
