//! Components that are small to send and much work to compile.

/// Kinds of bombs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bomb {
    /// Many long functions.
    Functions,
    /// One function as long as fits.
    Giant,
    /// Blocks in blocks.
    Nested,
    /// As many local variables as are allowed, in many functions.
    Locals,
    /// Jump tables with many targets.
    Tables,
    /// Calls between all functions, so that nothing can be left out.
    Calls,
}

impl Bomb {
    /// Every kind.
    pub const ALL: [Bomb; 6] = [Bomb::Functions, Bomb::Giant, Bomb::Nested, Bomb::Locals, Bomb::Tables, Bomb::Calls];

    /// A component of about a size, of an interface that exports nothing.
    pub fn build(self, bytes: usize) -> Vec<u8> {
        let body = self.body(bytes);
        let functions = (bytes / body.len()).clamp(1, 50_000);
        let function = [leb128(body.len()), body].concat();
        let count = leb128(functions);
        let module = [
            b"\0asm\x01\0\0\0".to_vec(),
            // (i64, i64) -> i64
            section(1, &[1, 0x60, 2, 0x7e, 0x7e, 1, 0x7e]),
            section(3, &[count.clone(), vec![0; functions]].concat()),
            section(10, &[count, function.repeat(functions)].concat()),
        ];
        let named = "(component (instance $i) (export \"pacificsoft:plugin/nodes@0.1.0\" (instance $i)))";
        [wat::parse_str(named).unwrap(), section(1, &module.concat())].concat()
    }

    fn body(self, bytes: usize) -> Vec<u8> {
        // local 0 = local 0 * local 1 + local 1
        let line = [0x20, 0, 0x20, 1, 0x7e, 0x20, 1, 0x7c, 0x21, 0];
        let end = [0x20, 0, 0x0b];
        let plain = |code: Vec<u8>| [&[0][..], &code, &end].concat();
        match self {
            Bomb::Functions => plain(line.repeat(2_000)),
            // The format allows functions of 7 654 321 bytes.
            Bomb::Giant => plain(line.repeat((bytes / line.len()).min(700_000))),
            Bomb::Nested => plain([[0x02, 0x40].repeat(20_000), line.to_vec(), vec![0x0b; 20_000]].concat()),
            Bomb::Locals => [&[1][..], &leb128(40_000), &[0x7e], &line.repeat(500), &end].concat(),
            Bomb::Tables => {
                let targets = 5_000;
                let table = [
                    &[0x02, 0x40, 0x20, 0, 0xa7, 0x0e][..],
                    &leb128(targets),
                    &vec![0; targets + 1],
                    &[0x0b],
                ]
                .concat();
                plain(table.repeat(10))
            }
            // local 0 = call 0 (local 0, local 1)
            Bomb::Calls => plain([0x20, 0, 0x20, 1, 0x10, 0, 0x21, 0].repeat(2_000)),
        }
    }
}

fn section(number: u8, content: &[u8]) -> Vec<u8> {
    [&[number][..], &leb128(content.len()), content].concat()
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let more = number > 0x7f;
        bytes.push((number & 0x7f) as u8 | if more { 0x80 } else { 0 });
        number >>= 7;
        if !more {
            return bytes;
        }
    }
}
