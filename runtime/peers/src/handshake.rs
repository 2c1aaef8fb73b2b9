//! How a connection begins: which version is spoken, and whether it goes on where the last one broke. Pure; both sides come to the same
//! result from the same two [`Hello`]s.

use crate::wire::Hello;

/// The protocol versions that this binary speaks. A rolling upgrade needs one that both speak.
pub const VERSIONS: std::ops::RangeInclusive<u32> = 1..=3;

/// The version that has changes. A peer of an older one hears of none: what it has in memory stays until it starts anew.
pub const CHANGES_SINCE: u32 = 2;

/// The version that has usage. A peer of an older one limits tenants by itself.
pub const USAGE_SINCE: u32 = 3;

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
    fn only_those_who_know_each_other_go_on() {
        for (knows, known, resumes) in [(2, 1, true), (0, 1, false), (2, 0, false), (3, 1, false), (2, 4, false)] {
            let (ours, theirs) = (hello((1, 1), 1, knows, 5), hello((1, 1), 2, known, 7));
            let (here, there) = (agree(&ours, &theirs).unwrap(), agree(&theirs, &ours).unwrap());
            assert_eq!((here.resumes, there.resumes), (resumes.then_some(7), resumes.then_some(5)));
        }
    }
}
