/** Converts one value of telemetry to another unit, and says in the metadata what it did. */

import { emit, exportNodes, Reject, RuleNode } from '@pacificsoft/sdk';

/** What can be converted: a name, and the two ways. */
export const CONVERSIONS = {
  'celsius to fahrenheit': (value) => value * 1.8 + 32,
  'fahrenheit to celsius': (value) => (value - 32) / 1.8,
  'hectopascal to inch of mercury': (value) => value * 0.0295299830714,
  'kilometres per hour to miles per hour': (value) => value / 1.609344,
  'litres to gallons': (value) => value / 3.785411784,
};

export class UnitConverter extends RuleNode {
  static typeName = 'unit-converter';
  static classIds = ['org.example.UnitConverter'];
  static family = 'TRANSFORMATION';
  static description = 'Converts one value to another unit.';
  static icon = 'straighten';
  static properties = {
    key: { type: 'string', title: 'Key of the value', default: 'temperature' },
    conversion: { enum: Object.keys(CONVERSIONS), default: 'celsius to fahrenheit' },
    target: { type: 'string', title: 'Key of the converted value; empty: in place of it', default: '' },
    digits: { type: 'integer', minimum: 0, maximum: 15, default: 2 },
  };

  open() {
    this.convert = CONVERSIONS[this.configuration.conversion];
  }

  process(message) {
    const { key, target, digits, conversion } = this.configuration;
    const value = message.number(key);
    if (value === undefined) throw new Reject(`the message has no number ${key}`);
    const payload = message.value();
    payload[target || key] = Number(this.convert(value).toFixed(digits));
    const metadata = { ...Object.fromEntries(message.metadataEntries()), conversion };
    return emit('Success', payload, { metadata });
  }
}

export const nodes = exportNodes(UnitConverter);
