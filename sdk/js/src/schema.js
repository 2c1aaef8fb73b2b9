/** Configurations: a class's `properties` are those of a JSON Schema (2020-12), each with its default. */

const KINDS = {
  boolean: (value) => typeof value === 'boolean',
  integer: Number.isInteger,
  number: (value) => typeof value === 'number',
  string: (value) => typeof value === 'string',
  array: Array.isArray,
  object: (value) => value !== null && typeof value === 'object' && !Array.isArray(value),
  null: (value) => value === null,
};

/** The schema of an object with these properties. Those without a default are required. */
export function schema(properties) {
  const required = Object.keys(properties).filter((name) => properties[name].default === undefined);
  return { type: 'object', properties, ...(required.length > 0 && { required }) };
}

/** The configuration of a new node. */
export function defaults(properties) {
  const entries = Object.entries(properties).filter(([, one]) => one.default !== undefined);
  return structuredCopy(Object.fromEntries(entries.map(([name, one]) => [name, one.default])));
}

/** Fills in defaults and checks types, choices and bounds. Throws with words for the configuration's author. */
export function read(properties, given) {
  if (!KINDS.object(given)) throw new Error(`the configuration is ${JSON.stringify(given)}, not object`);
  const configuration = { ...defaults(properties), ...given };
  for (const [name, one] of Object.entries(properties)) check(`the configuration.${name}`, one, configuration[name]);
  return configuration;
}

function check(where, wanted, value) {
  if (value === undefined) throw new Error(`${where} is missing`);
  const is = (what) => `${where} is ${JSON.stringify(value)}, not ${what}`;
  const kinds = [wanted.type ?? []].flat();
  if (kinds.length > 0 && !kinds.some((kind) => KINDS[kind]?.(value))) throw new Error(is(kinds.join(' or ')));
  if (wanted.enum && !wanted.enum.includes(value)) throw new Error(is(`one of ${wanted.enum.join(', ')}`));
  if (value < wanted.minimum) throw new Error(is(`at least ${wanted.minimum}`));
  if (value > wanted.maximum) throw new Error(is(`at most ${wanted.maximum}`));
}

function structuredCopy(value) {
  return JSON.parse(JSON.stringify(value));
}
