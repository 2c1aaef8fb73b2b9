/**
 * Write rule nodes for Pacificsoft. A node type is a class derived from `RuleNode`; a component is a package of them, made with
 * `exportNodes`. A component can touch only what it uses of this module; writes are not calls, they are effects in what `process` answers.
 */

export { Message } from './message.js';
export { RuleNode } from './node.js';
export { content, effect, emit, end, forward, httpRequest, payload, Reject, secret } from './outcome.js';
export { exportNodes } from './package.js';
export { attribute, latest, log, nowMs, state, timers } from './capability.js';
