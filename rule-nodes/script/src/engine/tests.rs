//! What is wrong with scripts and where; what is left of a message when the next one comes.

use pacificsoft_sdk::testing::TestMessage;

use super::*;

fn open(source: &str) -> Script {
    Script::open(source.to_owned(), Given::Message).expect(source)
}

fn run(script: &mut Script) -> Result<Returned, String> {
    script.run(&TestMessage::telemetry(r#"{"t": 1}"#).with("k", "v").message())
}

fn text(text: &str) -> Result<Returned, String> {
    Ok(Returned::Text(text.to_owned()))
}

#[test]
fn what_is_no_javascript_is_refused_with_its_place() {
    let cases = [
        ("return msg.;", "line 1", "col 12"),
        ("var a = 1;\nvar b = ;\nreturn a", "line 2", "col 9"),
        ("return 'open", "unterminated string literal at line 1", ""),
        ("var a;\n\nvar b = 'open;\nreturn 1", "unterminated string literal at line 3", ""),
        ("var a = `1\n2\n", "unterminated template literal at line 1", ""),
        ("if (true) {\n  x();", "it ends too early at line 2", ""),
        ("}); while (true) {} (function () {", "line 1", "col 2"),
        ("} while (true) {} function f() {", "it closes a brace that it did not open", ""),
        ("} {", "it closes a brace that it did not open", ""),
        ("var a;\nlet msg = 1; return msg", "line", ""),
        ("await x", "line 1", "col"),
        ("return 1 }", "line 1", "unexpected token '}'"),
        ("/* open", "", ""),
        ("import x from 'y'", "line 1", ""),
    ];
    for (source, line, more) in cases {
        match Script::open(source.to_owned(), Given::Message).map(drop) {
            Err(reason) => {
                assert!(
                    reason.starts_with("the script is not JavaScript: ") && reason.contains(line) && reason.contains(more),
                    "{source}: {reason}"
                )
            }
            Ok(()) => panic!("{source} is taken"),
        }
    }
}

#[test]
fn what_a_script_throws_is_the_reason_with_its_place() {
    let cases = [
        ("return gone.b", "ReferenceError: gone is not defined (line 1, column "),
        (
            "var a;\n  return msg.a.b",
            "TypeError: cannot convert 'null' or 'undefined' to object (line 2, column ",
        ),
        (
            "function f() {\n  throw new Error('too hot');\n}\nf();",
            "Error: too hot (line 2, column ",
        ),
        ("throw 'plain text'", "plain text"),
        ("throw {code: 5}", "{"),
        ("throw undefined", "undefined"),
        ("throw {get message() { throw 1 }, toString() { throw 2 }}", "{"),
        (
            "JSON.parse('{')",
            "SyntaxError: EOF while parsing an object at line 1 column 1 (line 1, column ",
        ),
        (
            "return eval('1')",
            "EvalError: eval and new Function are not offered: write the code into the script",
        ),
        (
            "return new Function('return 1')()",
            "EvalError: eval and new Function are not offered: write the code into the script",
        ),
        ("while (true) {}", "the script goes round its loops more than 200000 times"),
        (
            "function f() { return f() + 1 }\nreturn f()",
            "the script calls functions inside each other, more than 200 deep",
        ),
        (
            "try { while (true) {} } catch (e) { return 1 } finally { return 2 }",
            "the script goes round its loops more than 200000 times",
        ),
        ("new ArrayBuffer(1e9)", "RangeError"),
        ("'x'.repeat(2 ** 40)", "RangeError"),
        ("require('fs')", "ReferenceError: require is not defined"),
        ("fetch('http://localhost')", "ReferenceError: fetch is not defined"),
    ];
    for (source, expected) in cases {
        let mut script = open(source);
        let first = run(&mut script);
        assert!(
            first.as_ref().is_err_and(|reason| reason.starts_with(expected)),
            "{source}: {first:?}"
        );
        // It serves the next message, and says the same.
        assert_eq!(run(&mut script), first, "{source}");
    }
    let long = run(&mut open("throw 'x'.repeat(100000)")).expect_err("thrown");
    assert_eq!(long.chars().filter(|c| *c == 'x').count(), 500);
}

#[test]
fn nothing_is_left_for_the_next_message() {
    let sources = [
        // Variables that are not declared.
        "n = typeof n === 'undefined' ? 1 : n + 1; return String(n)",
        "for (i = 0; i < 3; i++) {} return typeof this.j + (this.j = i) ",
        "this.n = (this.n || 0) + 1; return String(this.n)",
        "globalThis[0] = (globalThis[0] || 0) + 1; return String(globalThis[0])",
        "globalThis[Symbol.for('s')] = (globalThis[Symbol.for('s')] || 0) + 1; return String(globalThis[Symbol.for('s')])",
        "var x = typeof q; Object.defineProperty(globalThis, 'q', {value: 1}); return x",
        "var x = String(globalThis.q); Object.setPrototypeOf(globalThis, {q: 1}); return x",
        "var x = String(Object.isExtensible(globalThis)); Object.preventExtensions(globalThis); return x",
        // The function itself, and what is built in.
        "var f = arguments.callee; f.n = (f.n || 0) + 1; return String(f.n)",
        "var p = arguments.callee.prototype; p.n = (p.n || 0) + 1; return String(p.n)",
        "Array.prototype.n = ([].n || 0) + 1; return String([].n)",
        "Object.prototype.n = ({}.n || 0) + 1; return String({}.n)",
        "Math.n = (Math.n || 0) + 1; return String(Math.n)",
        "var x = String(JSON.stringify([1])); JSON.stringify = () => 'bad'; return x",
        "var x = JSON.parse('1') + ''; JSON.parse = () => 2; return x",
        "var x = typeof Date; Date = 1; delete globalThis.Date; return x",
        "var p = Object.getPrototypeOf([].values()); p.n = (p.n || 0) + 1; return String(p.n)",
        "var p = Object.getPrototypeOf(function* () {}); p.n = (p.n || 0) + 1; return String(p.n)",
        "var g = Object.getOwnPropertyDescriptor(Object.prototype, 'toString').get; g.n = (g.n || 0) + 1; return String(g.n)",
        "var t = (s => s)`a`; t.n = (t.n || 0) + 1; return String(t.n)",
        "var x = typeof this.late; Promise.resolve().then(() => { this.late = 1 }); return x",
        "msg.t++; metadata.k += 'v'; return msg.t + metadata.k",
        // While the script fails, too.
        "n = typeof n === 'undefined' ? 1 : n + 1; throw String(n)",
    ];
    for source in sources {
        let mut script = open(source);
        let first = run(&mut script);
        for _ in 0..3 {
            assert_eq!(run(&mut script), first, "{source}");
        }
    }
    assert_eq!(run(&mut open("n = 1; function f() { return n + 1 } return 'n' + f()")), text("n2"));
    assert_eq!(
        run(&mut open("return typeof this.parse + Object.keys(globalThis).length")),
        text("undefined0")
    );
}
