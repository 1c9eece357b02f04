//! So many at the same time for each key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Who is inside how often. One entry for each key that is, so it is as small as what it counts.
type Inside<K> = Arc<Mutex<HashMap<K, u32>>>;

pub(super) struct AtOnce<K> {
    most: u32,
    inside: Inside<K>,
}

/// A place that is taken for as long as this lives. Without a key nothing is counted.
pub struct Place<K: Hash + Eq>(Option<(K, Inside<K>)>);

impl<K: Hash + Eq + Clone> AtOnce<K> {
    pub(super) fn new(most: u32) -> AtOnce<K> {
        AtOnce { most, inside: Arc::default() }
    }

    pub(super) fn enter(&self, key: K) -> Option<Place<K>> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let count = inside.get(&key).copied().unwrap_or_default();
        if count >= self.most {
            return None;
        }
        inside.insert(key.clone(), count + 1);
        Some(Place(Some((key, Arc::clone(&self.inside)))))
    }
}

impl<K: Hash + Eq> Place<K> {
    pub(super) fn uncounted() -> Place<K> {
        Place(None)
    }
}

impl<K: Hash + Eq> Drop for Place<K> {
    fn drop(&mut self) {
        let Some((key, inside)) = self.0.take() else { return };
        let mut inside = inside.lock().unwrap_or_else(PoisonError::into_inner);
        match inside.get_mut(&key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(inside.remove(&key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_holder_goes() {
        let doors = AtOnce::new(2);
        let (first, _second) = (doors.enter("a").unwrap(), doors.enter("a").unwrap());
        assert!(doors.enter("a").is_none());
        let other = doors.enter("b").unwrap();
        drop(first);
        let _third = doors.enter("a").unwrap();
        assert!(doors.enter("a").is_none());
        drop(other);
        assert_eq!(doors.inside.lock().unwrap().len(), 1, "who left is not remembered");
    }
}
