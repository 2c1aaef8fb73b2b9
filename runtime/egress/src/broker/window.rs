//! What was sent to a broker and is not acknowledged: who waits for which packet identifier. Pure.

/// Publishes on their way at one time: more wait.
pub(super) const IN_FLIGHT_MAX: u16 = 32;

/// The publishes on their way.
#[derive(Debug)]
pub(super) struct Window<W>(Vec<Option<W>>);

impl<W> Window<W> {
    /// For as many as the other side takes, and no more than [`IN_FLIGHT_MAX`].
    pub(super) fn new(taken: u16) -> Self {
        Window((0..taken.min(IN_FLIGHT_MAX)).map(|_| None).collect())
    }

    /// Whether one more may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.0.iter().any(Option::is_none)
    }

    /// The packet identifier under which somebody waits now.
    ///
    /// # Errors
    /// The one who wants to wait, when there is no room.
    pub(super) fn take(&mut self, waits: W) -> Result<u16, W> {
        let free = (1u16..).zip(&mut self.0).find(|(_, place)| place.is_none());
        match free {
            None => Err(waits),
            Some((pkid, place)) => {
                *place = Some(waits);
                Ok(pkid)
            }
        }
    }

    /// Who waited for an acknowledgement; none: nobody did.
    pub(super) fn acknowledged(&mut self, pkid: u16) -> Option<W> {
        self.0.get_mut(usize::from(pkid).checked_sub(1)?)?.take()
    }

    /// Whether nobody waits, apart from those who have gone.
    pub(super) fn is_idle(&self, has_gone: impl Fn(&W) -> bool) -> bool {
        self.0.iter().flatten().all(has_gone)
    }

    /// All who wait.
    pub(super) fn all(self) -> impl Iterator<Item = W> {
        self.0.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_used_again_when_they_are_acknowledged() {
        let mut window = Window::new(u16::MAX);
        for expected in 1..=IN_FLIGHT_MAX {
            assert!(window.has_room());
            assert_eq!(window.take(expected), Ok(expected));
        }
        assert_eq!((window.has_room(), window.take(99)), (false, Err(99)));
        for nobody in [0, IN_FLIGHT_MAX + 1, u16::MAX] {
            assert_eq!(window.acknowledged(nobody), None);
        }
        assert_eq!(window.acknowledged(7), Some(7));
        assert_eq!(window.acknowledged(7), None, "once");
        assert_eq!(window.take(99), Ok(7));
        assert_eq!(window.all().count(), usize::from(IN_FLIGHT_MAX));
    }

    #[test]
    fn who_has_gone_does_not_keep_a_connection() {
        let mut window = Window::new(2);
        assert!(window.is_idle(|_: &bool| false));
        let gone = window.take(true).expect("room");
        assert!(window.is_idle(|gone| *gone));
        let waits = window.take(false).expect("room");
        assert!(!window.has_room(), "no more than the other side takes");
        assert!(!window.is_idle(|gone| *gone));
        assert_eq!((window.acknowledged(waits), window.acknowledged(gone)), (Some(false), Some(true)));
    }
}
