//! Numbering what is sent to a peer, keeping it until it was taken, and going on after a broken connection. Pure.
//!
//! *Invariant: nothing is lost and nothing is taken twice*, as long as both sides live; whoever begins anew learns what the other side
//! may not have taken.

use std::collections::VecDeque;

/// What one side remembers of a stream.
#[derive(Debug)]
pub struct Resume<T> {
    /// What was not acknowledged, in order.
    out: VecDeque<T>,
    /// Number of the first of them.
    first: u64,
    /// Number of the next one to be put on the connection.
    next: u64,
    /// Number of the next item of the other side.
    expected: u64,
    /// What the other side was told of that.
    told: u64,
}

/// The other side does not keep to the rules: the connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Items are missing in between.
    #[error("item {0} came, {1} was expected")]
    Gap(u64, u64),
    /// More was acknowledged than was sent.
    #[error("item {0} was acknowledged, {1} were sent")]
    Unsent(u64, u64),
    /// The other side asks for items that it has acknowledged.
    #[error("item {0} is asked for, the first kept is {1}")]
    Forgotten(u64, u64),
}

impl<T> Default for Resume<T> {
    fn default() -> Self {
        Resume {
            out: VecDeque::new(),
            first: 0,
            next: 0,
            expected: 0,
            told: 0,
        }
    }
}

impl<T> Resume<T> {
    /// Items that were not acknowledged.
    pub fn kept(&self) -> usize {
        self.out.len()
    }

    /// The number that the next item gets.
    pub fn number(&self) -> u64 {
        self.first + self.out.len() as u64
    }

    /// Keeps an item to be sent; answers its number.
    pub fn push(&mut self, item: T) -> u64 {
        let number = self.number();
        self.out.push_back(item);
        number
    }

    /// Whether something is to be sent.
    pub fn has_unsent(&self) -> bool {
        self.next < self.number()
    }

    /// The next item to be put on the connection.
    pub fn send(&mut self) -> Option<(u64, &T)> {
        let item = self.out.get(usize::try_from(self.next.checked_sub(self.first)?).ok()?)?;
        let number = self.next;
        self.next += 1;
        Some((number, item))
    }

    /// The other side has taken all items below a number.
    ///
    /// # Errors
    /// When they were not sent.
    pub fn acknowledged(&mut self, below: u64) -> Result<(), Broken> {
        if below > self.next {
            return Err(Broken::Unsent(below, self.next));
        }
        while self.first < below {
            self.out.pop_front();
            self.first += 1;
        }
        Ok(())
    }

    /// An item came. Whether it is new; if not, it was taken before.
    ///
    /// # Errors
    /// When others before it did not come.
    pub fn received(&mut self, number: u64) -> Result<bool, Broken> {
        if number > self.expected {
            return Err(Broken::Gap(number, self.expected));
        }
        let new = number == self.expected;
        self.expected += u64::from(new);
        Ok(new)
    }

    /// The number of the next item expected of the other side.
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// Whether the other side is to be told what was taken.
    pub fn owes(&self) -> bool {
        self.told < self.expected
    }

    /// What the other side is to be told: all below this were taken. Counts as told.
    pub fn tell(&mut self) -> u64 {
        self.told = self.expected;
        self.expected
    }

    /// A new connection goes on where the other side stopped.
    ///
    /// # Errors
    /// When it asks for what is not kept.
    pub fn resumed(&mut self, expects: u64) -> Result<(), Broken> {
        if expects < self.first {
            return Err(Broken::Forgotten(expects, self.first));
        }
        self.acknowledged(expects)?;
        self.next = expects;
        Ok(())
    }

    /// Both sides begin anew. What was not acknowledged is not to be sent any more.
    pub fn anew(&mut self) {
        *self = Resume::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_not_taken_is_sent_again() {
        let mut side = Resume::default();
        assert_eq!(['a', 'b', 'c'].map(|item| side.push(item)), [0, 1, 2]);
        assert_eq!(side.send(), Some((0, &'a')));
        assert_eq!(side.send(), Some((1, &'b')));
        side.acknowledged(1).unwrap();
        side.resumed(1).unwrap();
        let sent = |side: &mut Resume<char>| side.send().map(|(number, item)| (number, *item));
        assert_eq!(
            [sent(&mut side), sent(&mut side), sent(&mut side)],
            [Some((1, 'b')), Some((2, 'c')), None]
        );
        assert_eq!(side.kept(), 2);
        side.resumed(3).unwrap();
        assert_eq!((sent(&mut side), side.kept(), side.number()), (None, 0, 3));
    }

    #[test]
    fn who_does_not_keep_to_the_rules_is_told() {
        let mut side = Resume::default();
        side.push('a');
        assert_eq!(side.acknowledged(1), Err(Broken::Unsent(1, 0)));
        side.send();
        side.acknowledged(1).unwrap();
        assert_eq!(side.resumed(0), Err(Broken::Forgotten(0, 1)));
        assert_eq!(side.received(1), Err(Broken::Gap(1, 0)));
    }

    #[test]
    fn what_came_is_told_once() {
        let mut side = Resume::<()>::default();
        assert!(!side.owes());
        assert_eq!(
            (side.received(0), side.received(1), side.received(0)),
            (Ok(true), Ok(true), Ok(false))
        );
        assert!(side.owes());
        assert_eq!(side.tell(), 2);
        assert!(!side.owes());
    }

    proptest! {
        /// Connections break wherever they like; items and acknowledgements on the way are lost with them.
        #[test]
        fn everything_arrives_once_and_in_order(steps in proptest::collection::vec(0u8..6, 1..400)) {
            let (mut sender, mut receiver) = (Resume::default(), Resume::<()>::default());
            let (mut wire, mut acks, mut taken, mut pushed) = (VecDeque::new(), VecDeque::new(), Vec::new(), 0u32);
            for step in steps {
                match step {
                    0 | 1 => {
                        sender.push(pushed);
                        pushed += 1;
                    }
                    2 => wire.extend(sender.send().map(|(number, item)| (number, *item))),
                    3 => {
                        if let Some((number, item)) = wire.pop_front() {
                            taken.extend(receiver.received(number).unwrap().then_some(item));
                        }
                    }
                    4 => {
                        acks.extend(receiver.owes().then(|| receiver.tell()));
                        acks.pop_front().into_iter().for_each(|below| sender.acknowledged(below).unwrap());
                    }
                    _ => {
                        wire.clear();
                        acks.clear();
                        sender.resumed(receiver.expected()).unwrap();
                    }
                }
            }
            wire.clear();
            sender.resumed(receiver.expected()).unwrap();
            while let Some((number, item)) = sender.send() {
                taken.extend(receiver.received(number).unwrap().then_some(*item));
            }
            prop_assert_eq!(taken, (0..pushed).collect::<Vec<_>>());
        }
    }
}
