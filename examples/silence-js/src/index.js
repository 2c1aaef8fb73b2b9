/** Tells when a device has been silent for too long, and when it is back. Keeps in `state` when each device spoke; a timer looks. */

import { emit, exportNodes, nowMs, RuleNode, state, timers } from '@pacificsoft/sdk';

/** The one timer. */
export const LOOK = 'look';

export class Silence extends RuleNode {
  static typeName = 'silence';
  static classIds = ['org.example.Silence'];
  static family = 'FILTER';
  static description = 'Tells when a device has been silent for too long.';
  static details = 'Messages leave along Success, or along Back when the device had been silent. A device that falls silent leaves along Silent.';
  static icon = 'notifications_paused';
  static relations = ['Success', 'Silent', 'Back', 'Failure'];
  static stateSchema = 'silence/1';
  static properties = {
    seconds: { type: 'integer', title: 'Seconds of silence', minimum: 1, maximum: 31_536_000, default: 300 },
    look: { type: 'integer', title: 'Seconds between two looks', minimum: 1, maximum: 3_600, default: 10 },
  };

  process(message) {
    const { id, entityType } = message.originator();
    const before = state.get(id);
    if (!before) timers.set(LOOK, this.configuration.look * 1_000);
    state.set(id, { entityType, seenMs: nowMs() });
    return before?.silent ? 'Back' : 'Success';
  }

  onTimer() {
    const silentSince = nowMs() - this.configuration.seconds * 1_000;
    const fallenSilent = state
      .keys()
      .map((id) => ({ id, ...state.get(id) }))
      .filter(({ seenMs, silent }) => !silent && seenMs <= silentSince);
    for (const { id, ...device } of fallenSilent) state.set(id, { ...device, silent: true });
    timers.set(LOOK, this.configuration.look * 1_000);
    return fallenSilent.map(({ id, entityType, seenMs }) =>
      emit('Silent', { silentSince: seenMs }, { kind: 'SILENCE', originator: { entityType, id } }),
    );
  }
}

export const nodes = exportNodes(Silence);
