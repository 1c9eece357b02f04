//! How an answer streams: what its replay is made of.

use crate::store::Pace;

/// Steps are at least this far apart …
const GAP_MS: u32 = 100;
/// … and at most this many; when they are more, they become half as many and twice as far apart.
const MOST: usize = 600;

#[derive(Debug, Default)]
pub(super) struct Steps {
    began: u64,
    gap: u32,
    steps: Pace,
}

impl Steps {
    pub(super) fn from(began: u64) -> Steps {
        Steps { began, gap: GAP_MS, steps: Vec::new() }
    }

    pub(super) fn add(&mut self, now: u64, bytes: usize) {
        let at = u32::try_from(now.saturating_sub(self.began)).unwrap_or(u32::MAX);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Some((last, said)) = self.steps.last_mut()
            && at.saturating_sub(*last) < self.gap
        {
            *said = said.saturating_add(bytes);
            return;
        }
        if self.steps.len() == MOST {
            self.halve();
        }
        self.steps.push((at, bytes));
    }

    fn halve(&mut self) {
        self.gap = self.gap.saturating_mul(2);
        let pairs = self.steps.chunks(2);
        let sum = |pair: &[(u32, u32)]| {
            (pair[0].0, pair.iter().fold(0, |sum: u32, step| sum.saturating_add(step.1)))
        };
        self.steps = pairs.map(sum).collect();
    }

    pub(super) fn take(&mut self) -> Pace {
        std::mem::take(&mut self.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_apart_bounded_and_lose_no_byte() {
        let mut steps = Steps::from(1000);
        steps.add(1000, 3);
        steps.add(1099, 4);
        steps.add(1100, 5);
        assert_eq!(steps.steps, [(0, 7), (100, 5)]);
        let mut steps = Steps::from(0);
        (0..10_000u64).for_each(|n| steps.add(n * 100, 2));
        let steps = steps.take();
        assert!(steps.len() <= MOST, "{}", steps.len());
        assert_eq!(steps.iter().map(|step| step.1).sum::<u32>(), 20_000);
        assert!(steps.is_sorted_by_key(|step| step.0));
    }
}
