/** The glue between node types and the contract. Traps are silent, so everything thrown is turned into text here. */

import { answer } from '#host';

import { Message } from './message.js';
import { descriptor, typeName } from './node.js';
import { outcome, Reject } from './outcome.js';

/** What `process` returns when the answer was handed over. Not more: the engine's glue garbles numbers beyond 31 bits. */
export const HANDED_OVER = 0x7fff_ffff;

/** Makes what a component exports: `export const nodes = exportNodes(TypeA, TypeB)`, once, by this name. */
export function exportNodes(...types) {
  const message = new Message();
  let node;
  let numbers = new Map();

  const find = (name) => {
    const type = types.find((one) => typeName(one) === name);
    if (!type) throw `the component has no node type ${name}`;
    return type;
  };

  const opened = () => {
    if (!node) throw new Reject('the node was not opened');
    return node;
  };

  /** Lets the node decide; what it answers becomes the contract's. */
  const answering = (work) => {
    try {
      const decided = work();
      const number = numbers.get(decided);
      if (number !== undefined) return number;
      answer.decide(outcome(decided));
    } catch (error) {
      answer.fail(reason(error));
    }
    return HANDED_OVER;
  };

  return {
    describe: () => types.map(descriptor),
    upgrade: (name, fromVersion, configuration) =>
      refusing(() => JSON.stringify(find(name).upgrade(fromVersion, JSON.parse(configuration)))),
    open: (name, configuration) =>
      refusing(() => {
        const type = find(name);
        node = type.opened(JSON.parse(configuration));
        numbers = new Map(type.relations.map((relation, number) => [relation, number]));
      }),
    process: () => answering(() => opened().process(message)),
    onTimer: (name) => answering(() => opened().onTimer(name, message)),
  };
}

/** Something thrown, in words. A node's own `Reject` and `Error` speak for themselves. */
export function reason(error) {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'Error' || error.name === 'Reject' ? error.message : `${error.name}: ${error.message}`;
}

/** Runs something; what it throws becomes the contract's error, which is text. */
function refusing(work) {
  try {
    return work();
  } catch (error) {
    throw reason(error);
  }
}
