//! evil-guests.
