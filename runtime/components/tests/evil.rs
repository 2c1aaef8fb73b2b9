//! Uploads that are cut off, or in which bits were changed: each is admitted or refused in words, and nothing else happens.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use components::admit::admit;
use components::{ComponentError, InProcess};
use handmade::{Guest, World};
use plugins::{Host, HostConfig, Limits};

const BYTES_MAX: usize = 4 << 20;

fn host() -> Host {
    let limits = Limits {
        // A machine that is busy with other tests must not make a good node late.
        open_ms: 10_000,
        ..Limits::default()
    };
    let config = HostConfig {
        limits,
        instances_max: 16,
        ..HostConfig::default()
    };
    Host::new(config).unwrap()
}

/// Whether bytes are admitted. Whoever is refused is told why, in a text a person can read.
async fn admitted(host: &Host, bytes: &[u8]) -> bool {
    match admit(host, &InProcess, bytes.into(), BYTES_MAX).await {
        Ok(_) => true,
        Err(ComponentError::Refused(refusal)) => {
            let words = refusal.to_string();
            assert!(words.len() > 10 && words.len() < 10_000, "{words}");
            false
        }
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cut_off_is_refused() {
    let host = host();
    let whole = Guest::new(World::Nodes).build();
    assert!(admitted(&host, &whole).await);
    for len in 0..whole.len() {
        // Names of things stand at the end: without these it may still be whole.
        let taken = admitted(&host, &whole[..len]).await;
        assert!(!taken || len > whole.len() / 2, "cut at {len} of {}", whole.len());
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/components/test/plugin-guest.wasm");
    let real = std::fs::read(path).expect("components are built by `cargo xtask guests`");
    for len in (0..real.len() * 9 / 10).step_by(real.len() / 100) {
        assert!(!admitted(&host, &real[..len]).await, "cut at {len} of {}", real.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_is_admitted_or_refused() {
    let host = host();
    let mut noise: u32 = 20_261_125;
    let mut next = move || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 8) as usize
    };
    let (mut taken, mut refused) = (0, 0);
    for world in [World::Nodes, World::Adapter, World::Protocol] {
        let whole = Guest::new(world).build();
        for round in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..=round % 5 {
                let at = next() % bytes.len();
                match next() % 3 {
                    0 => bytes[at] ^= 1 << (next() % 8),
                    1 => bytes[at] = next() as u8,
                    _ => drop(bytes.remove(at)),
                }
            }
            if admitted(&host, &bytes).await {
                taken += 1;
            } else {
                refused += 1;
            }
        }
    }
    // Names and texts can change without harm; most other bytes cannot.
    assert!(taken > 10 && refused > 100, "{taken} were taken, {refused} refused");
}
