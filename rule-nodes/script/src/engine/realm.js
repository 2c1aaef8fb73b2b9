// Makes a realm ready to be frozen (see ../engine/frozen.rs), with functions of the host's in it. Returns objects whose prototypes have no name.
(function (parse, random) {
  'use strict';

  function revived(holder, key, reviver) {
    const value = holder[key];
    if (value !== null && typeof value === 'object') {
      for (const name of Object.keys(value)) {
        const changed = revived(value, name, reviver);
        if (changed === undefined) delete value[name];
        else value[name] = changed;
      }
    }
    return reviver.call(holder, key, value);
  }

  const replaced = {
    parse(text, reviver) {
      const value = parse(text);
      return typeof reviver === 'function' ? revived({ '': value }, '', reviver) : value;
    },
    random() {
      return random();
    },
  };
  const put = (object, name) =>
    Object.defineProperty(object, name, { value: replaced[name], writable: true, enumerable: false, configurable: true });
  put(JSON, 'parse');
  put(Math, 'random');

  // What inherits a property that is frozen cannot be given one of its own by assignment. Where scripts do that – objects of data, errors –,
  // the property becomes one that can.
  function assignable(object) {
    for (const key of Reflect.ownKeys(object)) {
      const own = Reflect.getOwnPropertyDescriptor(object, key);
      if (!('value' in own)) continue;
      Object.defineProperty(object, key, {
        get() {
          return own.value;
        },
        set(value) {
          if (this === object || Object(this) !== this) return;
          Object.defineProperty(this, key, { value, writable: true, enumerable: true, configurable: true });
        },
        enumerable: own.enumerable,
        configurable: true,
      });
    }
  }

  for (const object of [Object, Error, AggregateError, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError])
    assignable(object.prototype);

  // What no name leads to.
  return [
    [].values(),
    new Map().entries(),
    new Set().values(),
    ''[Symbol.iterator](),
    ''.matchAll(/a/g),
    function* () {},
    async function () {},
    async function* () {},
  ];
})
