/** {title}: a rule node. `process` is the place to begin. */

import { emit, exportNodes, Reject, RuleNode } from '@pacificsoft/sdk';

export class {type} extends RuleNode {
  static typeName = '{name}';
  static classIds = ['org.example.{type}'];
  static title = '{title}';
  static family = 'TRANSFORMATION';
  static description = 'Writes a value in another unit beside it.';
  static properties = {
    key: { type: 'string', default: 'temperature' },
    factor: { type: 'number', default: 1.8 },
  };

  process(message) {
    const { key, factor } = this.configuration;
    const value = message.number(key);
    if (value === undefined) throw new Reject(`the message has no number ${key}`);
    const converted = value * factor;
    return emit('Success', { ...message.value(), converted });
  }
}

export const nodes = exportNodes({type});
