/** {title}: a rule node. `process` is the place to begin. */

import { exportNodes, Reject, RuleNode } from '@pacificsoft/sdk';

export class {type} extends RuleNode {
  static typeName = '{name}';
  static classIds = ['org.example.{type}'];
  static title = '{title}';
  static family = 'FILTER';
  static description = 'Is a value above a limit?';
  static relations = ['True', 'False', 'Failure'];
  static properties = {
    key: { type: 'string', default: 'temperature' },
    limit: { type: 'number', default: 25 },
  };

  process(message) {
    const { key, limit } = this.configuration;
    const value = message.number(key);
    if (value === undefined) throw new Reject(`the message has no number ${key}`);
    return value > limit ? 'True' : 'False';
  }
}

export const nodes = exportNodes({type});
