/** Rule nodes: the class an author derives from. One object is one node of one chain. */

import { defaults, read, schema } from './schema.js';

export class RuleNode {
  static typeName = '';
  static classIds = [];
  static title = '';
  static family = 'ACTION';
  static description = '';
  static details = '';
  static icon = '';
  static relations = ['Success', 'Failure'];
  static customRelations = false;
  static effects = [];
  static properties = {};
  static version = 0;
  static stateSchema = '';
  static startTimer = '';
  static inTurn = false;
  static takesMessages = true;

  configuration = {};

  open() {}

  process(_message) {
    throw new Error('process is not there');
  }

  onTimer(name, _message) {
    throw new Error(`the timer ${name} is due, and onTimer is not there`);
  }

  static upgrade(_fromVersion, configuration) {
    return configuration;
  }

  static opened(configuration) {
    const node = new this();
    node.configuration = read(this.properties, configuration);
    node.open();
    return node;
  }
}

/** Name of a type inside the component. Class names do not survive bundling, so it is asked for. */
export function typeName(type) {
  if (!type.typeName) throw new Error('a node type has no typeName');
  return type.typeName;
}

function extensions(type) {
  const said = [];
  if (type.startTimer) said.push(['start-timer', type.startTimer]);
  if (type.inTurn) said.push(['in-turn', 'originator']);
  if (!type.takesMessages) said.push(['input', 'none']);
  return said;
}

/** What people and the server know of a node type, in the form of the contract. */
export function descriptor(type) {
  return {
    typeName: typeName(type),
    classIds: type.classIds,
    title: type.title || typeName(type).replaceAll('-', ' '),
    family: type.family,
    description: type.description,
    details: type.details,
    icon: type.icon,
    relations: type.relations,
    customRelations: type.customRelations,
    configurationSchema: JSON.stringify(schema(type.properties)),
    defaultConfiguration: JSON.stringify(defaults(type.properties)),
    version: type.version,
    effects: type.effects,
    stateSchema: type.stateSchema,
    extensions: extensions(type),
  };
}
