/** Testing nodes natively, without a host. */

import type { Content, EntityId } from './index.js';
import { Message } from './index.js';

/** What a node finds around it. */
export const platform: {
  nowMs: number;
  /** Lines logged. */
  lines: Array<[string, string]>;
  /** By `entity id/scope/key`. */
  attributes: Map<string, unknown>;
  /** By `entity id/key`: time in milliseconds, and value. */
  latest: Map<string, [number, unknown]>;
};

/** Makes the platform as it was at the beginning. */
export function reset(): void;

/** A message made of JavaScript values. */
export class TestMessage extends Message {
  constructor(kind: string, payload: unknown, rest?: { metadata?: Record<string, string>; originator?: EntityId; timestamp?: number });
  /** Telemetry, with metadata. */
  static telemetry(payload: unknown, metadata?: Record<string, string>): TestMessage;
}

/** JSON of an effect's or a message's content, parsed; for assertions. */
export function parsed(content: Content | undefined): any;
