/**
 * Write rule nodes for Pacificsoft. The records are those of the contract: `pacificsoft-build --types` generates them from `wit/` beside
 * this file, in `contract/`.
 */

import type { EntityId } from './contract/interfaces/pacificsoft-plugin-entity.js';
import type { Content, Shape } from './contract/interfaces/pacificsoft-plugin-json.js';
import type * as nodes from './contract/interfaces/pacificsoft-plugin-nodes.js';
import type { DeviceCredentials } from './contract/interfaces/pacificsoft-plugin-credentials.js';
import type { Direction, Related } from './contract/interfaces/pacificsoft-plugin-relations.js';
import type { Effect, Emission, EntityRef, Steps } from './contract/interfaces/pacificsoft-plugin-outcome.js';

export type { Content, DeviceCredentials, Direction, Effect, Emission, EntityId, EntityRef, Related, Shape, Steps };

/** Anything that JSON can say. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What `process` may answer: the name of a relation, one thing, or several in order. */
export type Answer = string | Emission | Effect | Steps | Array<string | Emission | Effect>;

/** A property of a configuration, as in JSON Schema (2020-12). Without a default it is required. */
export interface Property {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: Json;
  enum?: Json[];
  minimum?: number;
  maximum?: number;
  [keyword: string]: unknown;
}

/**
 * The message in hand: the one a node decides about. Each method is a call into the host: read what you need, once.
 *
 * A *path* names a place in the payload. Empty: all of it. Starting with `/`: a JSON Pointer (RFC 6901). Anything else: a key of the
 * top-level object.
 */
export class Message {
  /** Message type, such as `POST_TELEMETRY_REQUEST`. */
  kind(): string;
  /** The entity the message comes from. */
  originator(): EntityId;
  /** Milliseconds since 1970-01-01 UTC. */
  timestamp(): number;
  /** One metadata value. */
  metadata(key: string): string | undefined;
  /** All metadata, sorted by key. */
  metadataEntries(): Array<[string, string]>;
  /** What stands at a path. */
  shape(path: string): Shape;
  /** The number at a path. */
  number(path: string): number | undefined;
  /** The whole number at a path, exact up to 64 bits. */
  integer(path: string): bigint | undefined;
  /** The boolean at a path. */
  boolean(path: string): boolean | undefined;
  /** The text at a path. */
  text(path: string): string | undefined;
  /** The keys of the object at a path. */
  keys(path?: string): string[];
  /** Elements of the array, or members of the object, at a path. */
  length(path?: string): number;
  /** What stands at a path, as JSON text. */
  json(path?: string): string | undefined;
  /** What stands at a path, parsed. Parsing takes the guest's time: prefer `number`, `text`, … */
  value(path?: string): any;
}

/** A type of rule nodes. Says in static members what people and the server know of it; `wit/rule-node.wit` explains them. */
export abstract class RuleNode<Configuration = any> {
  /** Name inside the component, in kebab case. */
  static typeName: string;
  /** Ids under which rule-chain files may name the type; the first one is written. */
  static classIds: string[];
  /** Name people see. Empty: made of the type's name. */
  static title: string;
  static family: 'FILTER' | 'ENRICHMENT' | 'TRANSFORMATION' | 'ACTION' | 'EXTERNAL' | 'FLOW';
  /** One sentence. */
  static description: string;
  /** More help. */
  static details: string;
  /** Name of a Material icon, or empty. */
  static icon: string;
  /** Relations that messages can leave along, `Failure` among them. */
  static relations: string[];
  /** Whether a configuration can add relations. */
  static customRelations: boolean;
  /** Effects the type may answer with, by their names in the contract. */
  static effects: Array<Effect['tag']>;
  /** Becomes the JSON Schema of the configuration, and the configuration of a new node. */
  static properties: Record<string, Property>;
  /** Version of the configuration's form. */
  static version: number;
  /** Names the form of what the node keeps in `state`, such as `averages/1`. Empty: it keeps nothing. */
  static stateSchema: string;
  /** Name of a timer that is due as soon as a node begins to serve with no timer set. Empty: none. Needs a `stateSchema`. */
  static startTimer: string;
  /**
   * Whether nodes of the type decide by what they have saved, such as the details of an alarm. In one chain, no message is handed to a node
   * of such a type before the effects are done that such nodes have asked for with the messages of the same originator before it.
   */
  static inTurn: boolean;
  /** False for types that only make messages: no connection leads to their nodes. */
  static takesMessages: boolean;
  /** Brings a configuration of an older version, parsed, to the present one. */
  static upgrade(fromVersion: number, configuration: any): any;
  /** A node with a configuration, parsed from JSON. Throws when it is refused. */
  static opened<Node extends RuleNode>(this: new () => Node, configuration: unknown): Node;

  /** The node's own configuration, with defaults filled in. */
  configuration: Configuration;
  /** Prepares the node; `this.configuration` is set. Throw to refuse the configuration, saying what is wrong. */
  open(): void;
  /** Decides about one message. What is thrown fails it: it leaves along `Failure`. */
  abstract process(message: Message): Answer;
  /** A timer is due, and is not set any more. In hand is a message made for it: type `TIMER`, an empty payload. */
  onTimer(name: string, message: Message): Answer;
}

/** Thrown by a node: the message cannot be processed and leaves along `Failure`, with the text as the reason. */
export class Reject extends Error {}

/** Makes what a component exports: `export const nodes = exportNodes(TypeA, TypeB)`, once, by this name. */
export function exportNodes(...types: Array<new () => RuleNode>): typeof nodes;

/** JSON made of a value. */
export function content(value: unknown): Content;
/** The part of the payload in hand at a path; empty: all of it. Costs no copy. */
export function payload(path?: string): Content;
/** The message itself leaves along a relation. Alone it is the same as answering with the relation's name. */
export function forward(relation: string): Emission;
/** A changed message leaves along a relation. What is left out stays as it was; `metadata` replaces all of it. */
export function emit(
  relation: string,
  value?: unknown,
  changes?: { kind?: string; originator?: EntityId; metadata?: Record<string, string> },
): Emission;
/** The message ends here, successfully. */
export function end(): Steps;
/** An effect by its name in the contract, with its fields. What is left out is none, false or 0; JSON may be given as a value. */
export function effect(name: Effect['tag'], fields: Record<string, unknown>): Effect;

/** The value of one of the tenant's secrets, by its name. The host puts it in when it sends something; no component ever sees it. */
export interface Secret {
  tag: 'secret';
  val: string;
}
export function secret(name: string): Secret;
/** Text, or parts of one with secrets among them. */
export type SecretText = string | Array<string | Secret>;
/** Who a client is, in PEM: its certificate, its private key, and the key's password, if it has one. A key without is faster. */
export interface Identity {
  certificates: SecretText;
  key: SecretText;
  password?: SecretText;
}
/** What a conversation over TLS has of its own: whose certificates are believed, in PEM; who the client is. */
export interface Tls {
  authorities?: SecretText;
  identity?: Identity;
}
/**
 * A server that passes requests and payloads on, such as `http://proxy.example.org:3128`. The tenant's list has to name it, too. Or `server:proxy`,
 * the one that the server's operator has named.
 */
export interface Proxy {
  address: string;
  basicAuth?: [SecretText, SecretText];
}
/**
 * The effect `http-request`: a request to a server that the tenant's list names. `body` is JSON, `text` is text; of an answer of the 200s the
 * body becomes the payload, any other leaves along `Failure`. `acceptedIf`: for servers that may refuse with the 200s, too, the JSON Pointer at
 * which `true` stands if they do not, such as `/ok`; the message goes on as it was then.
 */
export function httpRequest(
  method: string,
  url: SecretText,
  more?: {
    headers?: Record<string, SecretText>;
    basicAuth?: [SecretText, SecretText];
    body?: unknown;
    text?: SecretText;
    timeoutMs?: number;
    responseBytesMax?: number;
    tls?: Tls;
    proxy?: Proxy;
    acceptedIf?: string;
  },
): Effect;
/**
 * The effect `publish`: a payload for a topic of a broker that the tenant's list names, such as `mqtts://broker.example.org`. `body` is JSON,
 * `text` is text. `options`: what a way of speaking has beyond that, such as `retain`.
 */
export function publish(
  broker: string,
  topic: string,
  more?: {
    body?: unknown;
    text?: SecretText;
    basicAuth?: [SecretText, SecretText];
    options?: Record<string, string | boolean | number>;
    timeoutMs?: number;
    tls?: Tls;
    proxy?: Proxy;
  },
): Effect;
/** An entity that an effect is about, by its id. */
export function byId(id: EntityId): EntityRef;
/** An entity that an effect is about, by its type and name: looked up when the effect is performed. */
export function byName(entityType: string, name: string): EntityRef;

/** Lines for the tenant's eyes. */
export const log: Record<'debug' | 'info' | 'warn' | 'error', (text: string) => void>;
/** Milliseconds since 1970-01-01 UTC. */
export function nowMs(): number;
/** An attribute, parsed. Scope: `CLIENT_SCOPE`, `SHARED_SCOPE` or `SERVER_SCOPE`. */
export function attribute(entity: EntityId, scope: string, key: string): any;
/** The latest value of a time series, parsed, with its time in milliseconds. */
export function latest(entity: EntityId, key: string): [number, any] | undefined;

/** Values with their times, by key. */
export type Values = Record<string, { ts: number; value: any }>;
/** Several attributes at once, 100 at most: those that are set. */
export function attributes(entity: EntityId, scope: string, keys: string[]): Values;
/** Several latest values at once, 100 at most: those that there are. */
export function latestValues(entity: EntityId, keys: string[]): Values;
/** Readings of a time series, times in milliseconds: `fromMs` <= time < `toMs`. 1 000 at most; 100 and the oldest first if nothing is said. */
export function series(
  entity: EntityId,
  key: string,
  span?: { fromMs?: number; toMs?: number; limit?: number; newestFirst?: boolean },
): Array<[number, any]>;

/** An entity, as people know it. */
export interface EntityInfo {
  id: EntityId;
  name: string;
  /** Its type; of a device, the name of its profile. */
  subtype: string;
  label?: string;
  profile?: EntityId;
  createdMs: number;
  customer?: EntityId;
  additionalInfo?: any;
  /** What else is one text, number or boolean, by its name in the REST API, as text. */
  fields: Record<string, string>;
}
/** A device, asset or other entity; not a customer. */
export function entity(id: EntityId): EntityInfo | undefined;
export function findEntity(entityType: string, name: string): EntityId | undefined;
/** A view of an entity: what of it somebody is shown. */
export interface EntityView {
  id: EntityId;
  name: string;
  /** Time series that it shows. They are read of the entity. */
  timeSeries: string[];
  /** Attributes that it shows, by scope. The view has copies of them. */
  clientAttributes: string[];
  sharedAttributes: string[];
  serverAttributes: string[];
  /** From when on it shows them, milliseconds since 1970-01-01 UTC. 0: from the beginning. */
  fromMs: number;
  /** Until when; undefined: there is no end. */
  untilMs?: number;
}
/** Views of an entity, 100 at most. */
export function views(entity: EntityId, limit?: number): EntityView[];
/** The tenant itself. */
export function tenant(): EntityId;
export function customer(id: EntityId): EntityInfo | undefined;
export function findCustomer(title: string): EntityId | undefined;
/** The customer that an entity is assigned to. */
export function customerOf(id: EntityId): EntityInfo | undefined;
/** Relations that start (`outgoing`) or end (`incoming`) at an entity. 1 000 at most; 100 if nothing is said. */
export function relations(id: EntityId, direction: Direction, which?: { relationType?: string; limit?: number }): Related[];
export function isRelated(source: EntityId, target: EntityId, relationType: string): boolean;
/** An alarm in the form of the REST API, by the UUID of its id. */
export function alarm(id: string): any;
/** The alarm of a type that is not cleared. */
export function activeAlarm(originator: EntityId, alarmType: string): any;
/** The alarms that are not cleared, 100 at most. */
export function activeAlarms(originator: EntityId, limit?: number): any[];
/** What a device logs in with. The permission has to be granted. */
export function credentials(device: EntityId): DeviceCredentials | undefined;

/** Figures of the node's own, shown at `/metrics`: 20 names of `a` to `z`, digits and `_`. */
export const metrics: {
  /** Adds to a counter. */
  add(name: string, amount?: number): void;
  /** Sets a gauge. */
  set(name: string, value: number): void;
};

/**
 * What the node remembers, for types that have a `stateSchema`. It survives restarts, and new versions with the same `stateSchema`. A write
 * counts if the call in which it is made succeeds. Limits: keys of 256 bytes, values of 64 KiB, 1 000 keys and 1 MiB in all; what exceeds
 * them throws.
 */
export const state: {
  /** A value that was set with `set`. */
  get(key: string): any;
  /** Keeps a value as JSON. */
  set(key: string, value: unknown): void;
  getBytes(key: string): Uint8Array | undefined;
  setBytes(key: string, bytes: Uint8Array): void;
  delete(key: string): void;
  /** Keys that start with a prefix, sorted. */
  keys(prefix?: string): string[];
};

/** Timers; they are kept with the state and need a `stateSchema`. A hundred at most. */
export const timers: {
  /** Calls `onTimer` after a delay. */
  set(name: string, delayMs: number): void;
  cancel(name: string): void;
};
