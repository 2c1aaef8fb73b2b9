//! How a connection begins: which version is spoken, and whether it goes on where the last one broke. Pure; both sides come to the same
//! result from the same two [`Hello`]s.
//!
//! One number counts everything that servers of a cluster have in common: what they send each other, the commands of their log, the forms
//! of what they store. Two servers send each other what both [speak](Speaks). What all have to read, the log and the store, is written
//! in the version of the whole cluster, which stands in the log itself.

use std::fmt;
use std::ops::RangeInclusive;

use crate::wire::Hello;

/// The versions that this binary speaks. A rolling upgrade needs one that both speak. The fifth and the sixth differ from those before in
/// what Cassandra holds, not in what is said: `LATEST_SINCE` and `APART_SINCE` in `storage-cassandra`.
pub const VERSIONS: RangeInclusive<u32> = 1..=6;

/// The version with which every cluster begins.
pub const FIRST: u32 = 1;

/// The version that has changes. A peer of an older one hears of none: what it has in memory stays until it starts anew.
pub const CHANGES_SINCE: u32 = 2;

/// The version that has the live feed. Who watches hears nothing of what a peer of an older one saves.
pub const FEED_SINCE: u32 = 3;

/// The version that has usage. A peer of an older one limits tenants by itself.
pub const USAGE_SINCE: u32 = 3;

/// The version in which a call may be something else than a request to its device. To a peer of an older one it is not sent: it would take it for one.
pub const ASKS_SINCE: u32 = 4;

/// In a binary's version, what comes before the versions that it speaks.
const TOLD: &str = "+speaks.";

/// The versions that a server speaks. It tells them along with the version of its binary, `0.1.0+speaks.1-2`: a text that servers of every
/// version keep in their list as it is, whether they understand it or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaks {
    /// The oldest.
    pub min: u32,
    /// The newest.
    pub max: u32,
}

impl Speaks {
    /// All that this binary speaks.
    pub const ALL: Speaks = Speaks {
        min: *VERSIONS.start(),
        max: *VERSIONS.end(),
    };

    /// As if this binary were an older one; none: it does not speak that version.
    pub fn held_at(version: u32) -> Option<Self> {
        let held = Speaks {
            max: version,
            ..Speaks::ALL
        };
        VERSIONS.contains(&version).then_some(held)
    }

    /// What a server tells with the version of its binary; none: it is a binary that tells nothing.
    pub fn found(version: &str) -> Option<Self> {
        let (min, max) = version.split_once(TOLD)?.1.split_once('-')?;
        let (min, max) = (min.parse().ok()?, max.parse().ok()?);
        (FIRST <= min && min <= max).then_some(Speaks { min, max })
    }

    /// The same. Whoever tells nothing may be of before there was a second version.
    pub fn told(version: &str) -> Self {
        Speaks::found(version).unwrap_or(Speaks { min: FIRST, max: FIRST })
    }

    /// Whether it speaks a version.
    pub fn includes(self, version: u32) -> bool {
        (self.min..=self.max).contains(&version)
    }

    /// The version of a binary with what it speaks.
    pub fn tell(self, release: &str) -> String {
        format!("{release}{TOLD}{}-{}", self.min, self.max)
    }
}

impl fmt::Display for Speaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

/// The version of a binary without what it speaks.
pub fn release(version: &str) -> &str {
    version.split_once(TOLD).map_or(version, |(release, _)| release)
}

/// What two sides agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The protocol version.
    pub version: u32,
    /// The number of the item with which to go on; none: both begin anew.
    pub resumes: Option<u64>,
}

/// They cannot speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this side speaks versions {ours_min} to {ours_max}, the other {theirs_min} to {theirs_max}")]
pub struct NoVersion {
    ours_min: u32,
    ours_max: u32,
    theirs_min: u32,
    theirs_max: u32,
}

/// Compares what both sides said.
///
/// # Errors
/// When there is no version that both speak.
pub fn agree(ours: &Hello, theirs: &Hello) -> Result<Agreed, NoVersion> {
    let version = ours.version_max.min(theirs.version_max);
    if version < ours.version_min.max(theirs.version_min) {
        return Err(NoVersion {
            ours_min: ours.version_min,
            ours_max: ours.version_max,
            theirs_min: theirs.version_min,
            theirs_max: theirs.version_max,
        });
    }
    let known = ours.knows == theirs.incarnation && theirs.knows == ours.incarnation;
    Ok(Agreed {
        version,
        resumes: known.then_some(theirs.expects),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(versions: (u32, u32), incarnation: u64, knows: u64, expects: u64) -> Hello {
        Hello {
            version_min: versions.0,
            version_max: versions.1,
            peer: incarnation,
            incarnation,
            knows,
            expects,
        }
    }

    #[test]
    fn the_newest_version_that_both_speak() {
        for (ours, theirs, spoken) in [
            ((1, 1), (1, 1), Some(1)),
            ((1, 3), (2, 4), Some(3)),
            ((2, 4), (1, 3), Some(3)),
            ((1, 2), (2, 2), Some(2)),
            ((1, 1), (2, 3), None),
            ((3, 4), (1, 2), None),
        ] {
            let agreed = agree(&hello(ours, 1, 0, 0), &hello(theirs, 2, 0, 0));
            assert_eq!(agreed.ok().map(|agreed| agreed.version), spoken, "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn what_a_server_speaks_travels_with_its_version() {
        let all = Speaks::ALL.tell("0.1.0");
        assert_eq!((Speaks::told(&all), release(&all)), (Speaks::ALL, "0.1.0"));
        let first = Speaks { min: 1, max: 1 };
        for (version, speaks) in [
            ("0.1.0+speaks.1-3", Some(Speaks { min: 1, max: 3 })),
            ("0.1.0-rc.1+speaks.2-2", Some(Speaks { min: 2, max: 2 })),
            ("0.1.0", None),
            ("", None),
            ("0.1.0+speaks.", None),
            ("0.1.0+speaks.2", None),
            ("0.1.0+speaks.3-2", None),
            ("0.1.0+speaks.0-2", None),
            ("0.1.0+speaks.1-99999999999", None),
            ("0.1.0+speaks.1--2", None),
        ] {
            assert_eq!(Speaks::found(version), speaks, "{version}");
            assert_eq!(Speaks::told(version), speaks.unwrap_or(first), "{version}");
        }
        assert_eq!(release("0.1.0"), "0.1.0");
    }

    #[test]
    fn a_server_can_be_held_at_what_it_speaks() {
        for version in VERSIONS {
            assert_eq!(Speaks::held_at(version), Some(Speaks { min: 1, max: version }));
        }
        assert_eq!(Speaks::held_at(Speaks::ALL.max), Some(Speaks::ALL));
        assert_eq!([0, Speaks::ALL.max + 1].map(Speaks::held_at), [None, None]);
    }

    #[test]
    fn only_those_who_know_each_other_go_on() {
        for (knows, known, resumes) in [(2, 1, true), (0, 1, false), (2, 0, false), (3, 1, false), (2, 4, false)] {
            let (ours, theirs) = (hello((1, 1), 1, knows, 5), hello((1, 1), 2, known, 7));
            let (here, there) = (agree(&ours, &theirs).unwrap(), agree(&theirs, &ours).unwrap());
            assert_eq!((here.resumes, there.resumes), (resumes.then_some(7), resumes.then_some(5)));
        }
    }
}
