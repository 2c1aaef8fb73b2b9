/**
 * Write rule nodes for Pacificsoft. A node type is a class derived from `RuleNode`; a component is a package of them, made with
 * `exportNodes`. A component can touch only what it uses of this module; writes are not calls, they are effects in what `process` answers.
 */

export { Message } from './message.js';
export { RuleNode } from './node.js';
export { byId, byName, content, effect, emit, end, forward, httpRequest, payload, publish, Reject, secret } from './outcome.js';
export { exportNodes } from './package.js';
export {
  activeAlarm,
  activeAlarms,
  alarm,
  attribute,
  attributes,
  credentials,
  customer,
  customerOf,
  entity,
  findCustomer,
  findEntity,
  isRelated,
  latest,
  latestValues,
  log,
  metrics,
  nowMs,
  relations,
  series,
  state,
  tenant,
  timers,
  views,
} from './capability.js';
